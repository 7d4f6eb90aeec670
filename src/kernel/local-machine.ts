import { builtProgram } from './built-program.js'
import { type Command, plainCommand, runCommand, startCommand } from './command.js'
import type { Host } from './host.js'

/** This machine as it is: commands run in the namespaces of this process. */
export const localMachine: Host = {
  name: 'localhost',
  run: (argv, options) => runCommand(plainCommand(argv), options),
  start: startWith([]),
  enter: enteredMachine,
}

function enteredMachine(netnsPath: string): Host {
  const options = ['--net', netnsPath]
  return {
    name: 'localhost',
    run: (argv, runOptions) => runCommand(wrapped(argv, options), runOptions),
    start: startWith(options),
    enter: enteredMachine,
  }
}

/** Also what runs here without entering anything is started by the wrapper: it ends the program when this process is killed. */
function startWith(wrapperOptions: readonly string[]): Host['start'] {
  return (argv, options = {}) => {
    const { logFile, detached } = options
    const extra = [...(logFile === undefined ? [] : ['--log', logFile]), ...(detached ? ['--detach'] : [])]
    return startCommand(wrapped(argv, [...wrapperOptions, ...extra]), { ...options, isLoggedByWrapper: logFile !== undefined })
  }
}

const wrapped = (argv: readonly string[], options: readonly string[]): Command => ({
  file: builtProgram('host-enter'),
  args: [...options, '--', ...argv],
  asked: argv,
  isEntered: true,
  where: options[0] === '--net' ? ` in ${options[1]}` : '',
})
