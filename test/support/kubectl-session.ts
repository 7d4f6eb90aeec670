import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import t, { type Test } from 'tap'

import { withControlPlane } from './control-plane.js'
import { type BoundKubectl, bindKubectl, findKubectls } from './kubectl.js'

/** A command as a person types it, and what it must print. */
interface Step {
  readonly line: number
  /** Minor versions of kubectl that this is for. */
  readonly from: number
  readonly until: number
  readonly env: Readonly<Record<string, string>>
  readonly args: readonly string[]
  readonly typed: string
  readonly expected: string
}

const folder = fileURLToPath(new URL('../golden/kubectl/', import.meta.url))

/** Plays test/golden/kubectl/NAME.session with the newest kubectl (PODWIRE_EVERY_KUBECTL: with all) against a control plane whose kubelets only report. */
export async function testSession(name: string): Promise<void> {
  const all = await findKubectls()
  t.not(all.length, 0, 'there is a kubectl on the PATH')
  t.setTimeout(60_000)
  for (const kubectl of process.env.PODWIRE_EVERY_KUBECTL ? all : all.slice(-1)) {
    await t.test(`kubectl ${kubectl.version}`, t =>
      withControlPlane(t, { nodes: ['node-1', 'node-2'] }, async ({ api }) => {
        const bound = bindKubectl(kubectl, api.kubeconfig)
        await playSession(t, `${folder}${name}.session`, bound, Number(kubectl.version.split('.')[1])).finally(() => bound.dispose())
      }),
    )
  }
}

/**
 * Plays a `.session` file against a cluster. It reads like a terminal: `$ kubectl …` and below what that prints, first its output, then
 * its complaints, then `[STATUS]` when that is not 0. `$ (1.24..) kubectl …` is for those versions. A line `...` stands for
 * any number of lines, `<age>`, `<id>`, `<ip>`, `<uid>`, `<time>` and `<any>` for what differs; spaces in a row count as one. Lines with `##` tell.
 * Files lie beside the session.
 */
async function playSession(t: Test, file: string, kubectl: BoundKubectl, minor: number): Promise<void> {
  for (const { line, from, until, env, args, typed, expected } of parseSession(readFileSync(file, 'utf8'))) {
    if (minor < from || minor > until) continue
    const { code, stdout, stderr } = await kubectl.run(args, undefined, { cwd: dirname(file), env })
    const printed = squeezed(`${stdout.replace(/([^\n])$/, '$1\n')}${stderr}${code === 0 ? '' : `\n[${code}]`}`)
    if (patternOf(expected).test(`${printed}\n`)) t.pass(typed)
    // The patterns are left in, so that the difference shows where to look.
    else t.equal(printed, expected, `${file}:${line} ${typed}`)
  }
}

function parseSession(text: string): Step[] {
  const steps: Step[] = []
  let expected: string[] = []
  const finish = (): void => {
    const last = steps.pop()
    if (last) steps.push({ ...last, expected: squeezed(expected.join('\n')) })
    expected = []
  }
  text.split('\n').forEach((content, i) => {
    const typed = /^\$ (?:\(1\.(\d+)?(?:\.\.(?:1\.)?(\d+)?)?\) )?(.*)$/.exec(content)
    if (typed) {
      finish()
      const words = wordsOf(typed[3]!)
      const program = words.indexOf('kubectl')
      const env = Object.fromEntries(words.slice(0, program).map(word => word.split(/=(.*)/s).slice(0, 2)))
      const versions = { from: Number(typed[1] ?? 0), until: Number(typed[2] ?? 99) }
      steps.push({ line: i + 1, ...versions, env, args: words.slice(program + 1), typed: typed[3]!, expected: '' })
    } else if (!content.startsWith('## ')) expected.push(content)
  })
  finish()
  return steps
}

/** Splits as a shell does: quotes keep together, and are not part of the word. */
const wordsOf = (typed: string): string[] =>
  [...typed.matchAll(/(?:'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"])+/g)].map(([word]) =>
    word.replace(/'([^']*)'|"((?:\\.|[^"\\])*)"/g, (_, single, double) => single ?? double.replace(/\\(["\\])/g, '$1')),
  )

const squeezed = (text: string): string =>
  stripVTControlCharacters(text)
    .replace(/[ \t]+/g, ' ')
    .replace(/ +$/gm, '')
    .replace(/\n{2,}/g, '\n')
    .trim()

const placeholders: Readonly<Record<string, string>> = {
  '<age>': String.raw`(?:\d+[dhms])+`,
  '<id>': '[a-z0-9-]+',
  '<ip>': String.raw`[\d.]+`,
  '<uid>': '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}',
  '<time>': String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`,
  '<any>': '.*',
}

function patternOf(expected: string): RegExp {
  const lines = expected.split('\n').map(line => {
    if (line === '...') return '(?:.*\n)*?'
    const parts = line.split(/(<(?:age|id|ip|uid|time|any)>)/)
    return `${parts.map(part => placeholders[part] ?? part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join('')}\n`
  })
  return new RegExp(`^${lines.join('')}$`)
}
