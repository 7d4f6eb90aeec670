import { readFileSync } from 'node:fs'
import t from 'tap'
import { runCli } from '../../../src/cli/program.js'
import { fakeMachine, keptTerminal } from '../../support/fake-parts.js'

/** Every command line of ours in a page: in blocks and in code within the text. */
function commandsIn(file: string): readonly string[] {
  const text = readFileSync(file, 'utf8')
  const inBlocks = [...text.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = '']) => block.split('\n'))
  const inText = [...text.replaceAll(/```.*?```/gs, '').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
  return [...inBlocks, ...inText].map(line => line.replace(/ +#.*$/, '').trim()).filter(line => line.startsWith('./podwire '))
}

/** A synopsis as an example: optional parts given, alternatives chosen, capitals as they stand. */
const example = (synopsis: string) => synopsis.replaceAll(/\|[\w|]*/g, '').replaceAll(/[[\]…]/g, '')

t.test('the pages name only commands and options that there are', async t => {
  for (const file of ['README.md', 'CONTRIBUTING.md', 'docs/architecture.md', 'docs/errors.md', 'docs/cni-conformance.md']) {
    for (const command of commandsIn(file)) {
      // Not as root, so that a command that is understood is refused before it does anything.
      const { parts, terminal } = fakeMachine({ terminal: keptTerminal({ isRoot: false }) })
      await runCli(example(command).split(' ').slice(1), parts)
      const isOnlyAbsent = terminal.written.note.includes('RESULTS.json')
      t.ok(!terminal.written.note.startsWith('CONFIG_INVALID') || isOnlyAbsent, `${file}: ${command}: ${terminal.written.note}`)
    }
  }
  t.ok(commandsIn('README.md').length > 15, 'the pages were read')
})

t.test('README.md names every command that there is', async t => {
  const { parts, terminal } = fakeMachine()
  await runCli(['--help'], parts)
  const names = [...terminal.written.out.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name = '']) => name)
  t.ok(names.length >= 10)
  for (const name of names) t.match(readFileSync('README.md', 'utf8'), new RegExp(`\\./podwire ${name}\\b`), name)
})

t.test('README.md begins with what podwire is', async t => {
  t.equal(readFileSync('README.md', 'utf8').split('\n')[0], 'real packets on a real kernel, a cluster in seconds, every hop proven')
})
