import type { CaseOutcome } from '../cni-conformance/run-conformance.js'

export const conformanceFormats = ['table', 'json', 'tap'] as const
export type ConformanceFormat = (typeof conformanceFormats)[number]

const words = { pass: 'ok', fail: 'FAIL', error: 'ERROR', skip: 'n.a.' } as const satisfies Record<CaseOutcome['verdict'], string>

/** One case for people: the verdict, the rule, and under it what was found wrong. */
export function caseLines({ id, rule, section, claim, verdict, findings }: CaseOutcome): string {
  const head = `${words[verdict].padEnd(5)} ${id}: ${rule}`
  if (verdict === 'pass') return `${head}\n`
  const source = verdict === 'skip' ? [] : [`      section ${section}${claim === undefined ? '' : `; known violation ${claim}`}`]
  return [head, ...findings.map(finding => `      ${finding}`), ...source, ''].join('\n')
}

/** How many cases ended how, in one line. */
export function conformanceSummary(outcomes: readonly CaseOutcome[]): string {
  const count = (verdict: CaseOutcome['verdict']): number => outcomes.filter(each => each.verdict === verdict).length
  const parts = [`${count('pass')} passed`, `${count('fail')} failed`, `${count('error')} in error`, `${count('skip')} not applicable`]
  return `${outcomes.length} cases: ${parts.join(', ')}\n`
}

/** True unless a rule was broken, or could not be tried. */
export const conforms = (outcomes: readonly CaseOutcome[]): boolean =>
  outcomes.every(({ verdict }) => verdict === 'pass' || verdict === 'skip')

/** The whole run in a format for programs. */
export function formatConformance(outcomes: readonly CaseOutcome[], format: Exclude<ConformanceFormat, 'table'>): string {
  if (format === 'json') return `${JSON.stringify({ passed: conforms(outcomes), cases: outcomes }, undefined, 2)}\n`
  const lines = outcomes.flatMap(({ id, rule, verdict, findings }, i) => {
    const isOk = verdict === 'pass' || verdict === 'skip'
    const skip = verdict === 'skip' ? ` # SKIP ${findings.join('; ')}` : ''
    return [`${isOk ? 'ok' : 'not ok'} ${i + 1} - ${id}: ${rule}${skip}`, ...(isOk ? [] : findings.map(finding => `# ${finding}`))]
  })
  return ['TAP version 14', `1..${outcomes.length}`, ...lines, ''].join('\n')
}
