import type { CauseRecord, FlowRecord } from '../../base/results/run-record.js'
import { type ExplainOptions, explainFlow } from '../explain/explain-flow.js'
import type { FlowSession } from '../flow-session.js'
import { buildInquiry, type FindCause, type Inquiry } from './inquiry.js'
import { localPolicy, nobodyListens, noEndpoints } from './object-causes.js'
import { policy } from './policy-causes.js'
import { bridgeNetfilterOff, conntrackFull, droppedByRule, notProgrammed, staleConntrack, tunnelDropped } from './rule-causes.js'
import { neighbourWrong, notForwarded, podCannotSend, podPort, routeMissing, tooLarge, tunnel } from './way-causes.js'

/** In this order: what the objects say, what the rules did to this very packet, then where it was last seen. The first that is found is the answer. */
const finders: readonly FindCause[] = [
  noEndpoints,
  localPolicy,
  nobodyListens,
  policy,
  droppedByRule,
  tunnelDropped,
  bridgeNetfilterOff,
  podCannotSend,
  podPort,
  tooLarge,
  notProgrammed,
  routeMissing,
  tunnel,
  neighbourWrong,
  notForwarded,
  conntrackFull,
]

/**
 * `podwire why`: sends the packet as `trace` does and names why it ended as it did. A flow that got through as predicted has no causes; one that
 * nothing known explains has the cause `unknown`, with where it was last seen. Errors: as `explainFlow`.
 */
export async function whyFlow(session: FlowSession, options: ExplainOptions): Promise<FlowRecord> {
  const explained = await explainFlow(session, options)
  const inquiry = buildInquiry(explained, session.signal)
  return { ...explained.record, causes: [...(await findCauses(inquiry, explained.record))] }
}

async function findCauses(inquiry: Inquiry, { verdict, findings }: FlowRecord): Promise<readonly CauseRecord[]> {
  if (verdict === 'pass' || verdict === 'warn') {
    // It went well: it may be that it should not have, or that connections made before do not.
    const other = (await policy(inquiry)) ?? (await staleConntrack(inquiry))
    return other === undefined ? [] : [other]
  }
  for (const find of finders) {
    const cause = await find(inquiry)
    if (cause !== undefined) return [cause]
  }
  const { last } = inquiry
  return [
    {
      code: 'unknown',
      message: `nothing that is known explains it; ${last === undefined ? 'the packet was seen nowhere' : `it was last seen at ${last.owner} ${last.interface} ${last.dir}`}`,
      evidence: findings.map(({ message }) => message),
    },
  ]
}
