import { Command, CommanderError } from 'commander'
import { PodwireError } from '../base/errors/podwire-error.js'
import { agentCommand } from './commands/agent.js'
import { benchCommand } from './commands/bench.js'
import { cniTestCommand } from './commands/cni-test.js'
import { demoCommand } from './commands/demo.js'
import { doctorCommand } from './commands/doctor.js'
import { downCommand } from './commands/down.js'
import { flowCommand } from './commands/flow.js'
import { imageCommand } from './commands/image.js'
import { kubeconfigCommand } from './commands/kubeconfig.js'
import { lessonCommand } from './commands/lesson.js'
import { logsCommand } from './commands/logs.js'
import { nodeCommand } from './commands/node.js'
import { policyCommand } from './commands/policy.js'
import { setCommand } from './commands/set.js'
import { statusCommand } from './commands/status.js'
import { traceCommand } from './commands/trace.js'
import { uiCommand } from './commands/ui.js'
import { upCommand } from './commands/up.js'
import { verifyCommand } from './commands/verify.js'
import { whyCommand } from './commands/why.js'
import type { Parts } from './parts.js'
import { reportError } from './print-error.js'

/** A command's action returns the exit status it wants; nothing means 0. */
export type CommandFactory = (parts: Parts, done: (exitStatus: number) => void) => Command

/** In the order of `podwire --help`. */
const factories: readonly CommandFactory[] = [
  demoCommand,
  upCommand,
  downCommand,
  statusCommand,
  flowCommand,
  verifyCommand,
  traceCommand,
  whyCommand,
  uiCommand,
  lessonCommand,
  benchCommand,
  cniTestCommand,
  nodeCommand,
  setCommand,
  policyCommand,
  kubeconfigCommand,
  imageCommand,
  logsCommand,
  agentCommand,
  doctorCommand,
]

/** The command line of podwire, with every command wired to its parts. */
export function buildProgram(parts: Parts, done: (exitStatus: number) => void): Command {
  const program = new Command('podwire')
    .description('A Kubernetes network data-plane lab: real packets on a real kernel, every hop proven.')
    .version(parts.version, '-V, --version', 'print the version')
    .helpCommand(false)
    .showHelpAfterError(false)
    .addHelpText(
      'after',
      '\nStart with: ./podwire demo\nExit status: 0 passed, 1 the lab says no, 2 wrong use, 3 this machine cannot. Errors: docs/errors.md',
    )
  for (const factory of factories) program.addCommand(factory(parts, done))
  configure(program, parts)
  return program
}

/** Runs one command line (without `node` and the script) and returns the exit status; errors are printed, never thrown. */
export async function runCli(argv: readonly string[], parts: Parts): Promise<number> {
  let exitStatus = 0
  const program = buildProgram(parts, status => {
    exitStatus = status
  })
  try {
    if (argv.length === 0) {
      parts.terminal.out(program.helpInformation())
      return 0
    }
    await program.parseAsync(argv, { from: 'user' })
    return exitStatus
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const report = reportError(error instanceof CommanderError ? wrongUse(error, argv, program) : error)
    parts.terminal.note(report.text)
    return report.exitStatus
  }
}

/** Commander's complaints in our words. Missing subcommands print help and need no more. */
function wrongUse(error: CommanderError, argv: readonly string[], program: Command): PodwireError {
  const message = error.message.replace(/^error: /, '').replace(/^\(outputHelp\)$/, 'the command is not complete')
  const command = argv.find(word => program.commands.some(known => known.name() === word))
  const hint = error.code === 'commander.unknownCommand' || command === undefined ? './podwire --help' : `./podwire ${command} --help`
  return new PodwireError('CONFIG_INVALID', message, { hint })
}

/** Commands throw instead of exiting, and write where the terminal says. */
function configure(command: Command, parts: Parts): void {
  command.exitOverride().configureOutput({
    writeOut: text => parts.terminal.out(text),
    writeErr: () => {}, // runCli prints the error itself.
  })
  for (const child of command.commands) configure(child, parts)
}
