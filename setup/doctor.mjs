/** `podwire doctor`: everything this machine needs, what is missing, and the command that mends it. Needs no root and changes nothing. */
import { thisMachine } from './machine.mjs'
import { requirements } from './requirements.mjs'
import { isCurrent, modulesAreCurrent } from './stamp.mjs'

/** @typedef {{ id: string, kind: string, neededFor: string, why: string, state: 'present' | 'missing' | 'unknown', found: string, mend: string }} Row */

/** @param {import('./machine.mjs').Machine} machine @returns {Row[]} */
export function examine(machine = thisMachine) {
  const rows = requirements.map(({ id, kind, neededFor, why, mend, probe }) => ({ id, kind, neededFor, why, mend, ...probe(machine) }))
  const mend = 'node setup/prepare.mjs build ./podwire'
  const step = { kind: 'step', neededFor: 'build', mend }
  return [
    ...rows,
    { ...step, id: 'node_modules', why: 'the dependencies that package-lock.json fixes', ...freshness(modulesAreCurrent()) },
    { ...step, id: 'dist', why: 'the bundles that run, made anew when a source changes', ...freshness(isCurrent('build')) },
  ]
}

/** @param {boolean} current */
const freshness = current =>
  current
    ? { state: /** @type {const} */ ('present'), found: 'current' }
    : { state: /** @type {const} */ ('missing'), found: 'absent or out of date' }

/**
 * Prints the findings.
 * @param {readonly string[]} args `-o json` prints them as JSON
 * @returns {number} the exit status: 0 when all is there (or cannot be tried), 3 when something is missing, 2 for wrong use
 */
export function doctor(args, machine = thisMachine) {
  const format = args.length === 0 ? 'table' : /^(-o|--output)$/.test(args[0] ?? '') && args.length === 2 ? args[1] : undefined
  if (format !== 'table' && format !== 'json') {
    console.error('CONFIG_INVALID podwire doctor takes only -o table or -o json\nhint: ./podwire doctor -o json')
    return 2
  }
  const rows = examine(machine)
  const missing = rows.filter(({ state }) => state === 'missing')
  console.log(format === 'json' ? JSON.stringify({ ready: missing.length === 0, requirements: rows }, undefined, 2) : table(rows))
  return missing.length === 0 ? 0 : 3
}

/** @param {readonly Row[]} rows */
function table(rows) {
  const word = { present: 'ok', missing: 'MISSING', unknown: 'unknown' }
  const width = Math.max(...rows.map(({ id }) => id.length))
  const lines = rows.flatMap(({ id, state, why, found, mend }) => {
    const line = `${word[state].padEnd(8)} ${id.padEnd(width)}  ${why}`
    if (state === 'present') return [line]
    const indent = ' '.repeat(width + 11)
    return [line, `${indent}seen: ${found}`, ...(state === 'missing' ? [`${indent}mend: ${mend}`] : [])]
  })
  const missing = rows.filter(({ state }) => state === 'missing')
  const lab = missing.filter(({ neededFor }) => neededFor !== 'test')
  const packages = missing.filter(({ kind }) => kind === 'package').map(({ id }) => id)
  if (missing.length === 0) return [...lines, '', 'Nothing is missing.'].join('\n')
  const summary =
    lab.length === 0
      ? 'Labs can run; only `npm test` needs more.'
      : `${missing.length} missing; \`./podwire up\` as root installs what it can by itself.`
  const all = packages.length === 0 ? [] : [`All packages at once: apt-get install -y --no-install-recommends ${packages.join(' ')}`]
  return [...lines, '', summary, ...all].join('\n')
}
