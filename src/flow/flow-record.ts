import type { Finding, Verdict } from '../base/results/run-record.js'
import type { BoundTest } from './bind.js'
import { describeBound } from './bound.js'
import type { FlowDocument } from './parse-flow-file.js'
import type { SentFlow } from './run-one-flow.js'

/** Of a flow before anything is known of it. */
export const emptyRecord = (document: FlowDocument) => ({
  ...identityOf(document),
  sent: '',
  outcome: 'not sent',
  bound: {},
  ladder: [],
  conntrack: [],
  findings: [],
})

const identityOf = ({ file, test }: FlowDocument) => ({
  name: test.metadata.name,
  file,
  ...(test.spec.description !== undefined && { description: test.spec.description }),
})

/** alias → what it is bound to, in words. */
export const boundText = (bindings: BoundTest['bindings']): Record<string, string> =>
  Object.fromEntries([...bindings].map(([alias, bound]) => [alias, describeBound(bound)]))

/** What was sent, in words. */
export const sentText = ({ rounds }: SentFlow): string => {
  const text = (rounds[0] ?? []).map(({ planned }) => planned.text).join(', then ')
  return rounds.length > 1 ? `${rounds.length} × ${text}` : text
}

/** The gravest of the findings; `pass` when there is none. */
export function verdictOf(findings: readonly Finding[]): Verdict {
  for (const severity of ['fail', 'error', 'warn'] as const) if (findings.some(finding => finding.severity === severity)) return severity
  return 'pass'
}
