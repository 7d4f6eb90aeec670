import type { FlowRecord, LadderStep } from '../../base/results/run-record.js'
import { boundText, emptyRecord, sentText, verdictOf } from '../flow-record.js'
import type { FlowSession } from '../flow-session.js'
import { buildLadder } from '../ladder.js'
import { outcomeOf } from '../run-one-flow.js'
import { type Evidence, gatherEvidence } from './evidence.js'
import { type Explanations, explainHops } from './explain-hops.js'
import { type ObjectNames, readObjectNames } from './object-names.js'
import { type AskedFlow, askedFlow, type Question } from './question.js'
import { tableLookups } from './table-lookups.js'

export interface ExplainOptions {
  readonly question: Question
  /** Where the pcapng goes. */
  readonly outDir: string
}

/** A flow that was asked about, with everything seen of it. */
export interface ExplainedFlow {
  readonly record: FlowRecord
  readonly asked: AskedFlow
  readonly evidence: Evidence
  readonly names: ObjectNames
}

/**
 * `podwire trace`: sends one packet and its answer, and says of each hop what changed and by what. Errors: as `askedFlow`, `bindTest`;
 * CAPTURE_FAILED.
 */
export async function explainFlow(session: FlowSession, { question, outDir }: ExplainOptions): Promise<ExplainedFlow> {
  const startedAt = Date.now()
  const { signal, lab } = session
  session.forgetFacts()
  const asked = await askedFlow(question, lab.client, signal)
  const evidence = await gatherEvidence(session, asked.document, outDir)
  const names = await readObjectNames(lab.client, signal)
  const explanations = await explainHops(evidence, names, tableLookups(evidence.facts, signal))
  return { record: recordOf(evidence, explanations, Date.now() - startedAt), asked, evidence, names }
}

function recordOf({ document, sent, judged }: Evidence, explanations: Explanations, durationMs: number): FlowRecord {
  const { findings, traces, judgement, context } = judged
  const verdict = verdictOf(findings)
  return {
    ...emptyRecord(document),
    verdict,
    ...(verdict !== 'pass' && { reason: findings[0]!.message }),
    outcome: outcomeOf(sent, document.test.spec.expect.outcome),
    sent: sentText(sent),
    bound: boundText(context.bindings),
    ladder: buildLadder(traces, judgement, context).map(step => withExplanation(step, explanations)),
    conntrack: traces.flatMap(({ conntrack }) => [...conntrack]),
    findings: [...findings],
    durationMs,
  }
}

function withExplanation(step: LadderStep, explanations: Explanations): LadderStep {
  const by = step.hop?.frame === undefined ? undefined : explanations.get(step.hop.frame)
  return by === undefined || step.hop === undefined ? step : { ...step, hop: { ...step.hop, by: [...by] } }
}
