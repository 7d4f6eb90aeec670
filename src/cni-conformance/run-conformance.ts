import { addCases } from './cases-add.js'
import { checkCases } from './cases-check.js'
import { delCases } from './cases-del.js'
import { nodeCases } from './cases-node.js'
import { protocolCases } from './cases-protocol.js'
import type { ConformanceCase, NetworkKind } from './conformance-case.js'
import { Result } from './result.js'
import { type NodeOptions, openNode } from './rig.js'
import type { Subject } from './subject.js'

/** All cases, in the order of the specification. */
export const conformanceCases: readonly ConformanceCase[] = [...protocolCases, ...addCases, ...checkCases, ...delCases, ...nodeCases]

/** How one case ended. `error`: the plugin did not get as far as the case needs, or the case itself failed. */
export interface CaseOutcome extends Pick<ConformanceCase, 'id' | 'section' | 'rule' | 'claim'> {
  readonly verdict: 'pass' | 'fail' | 'skip' | 'error'
  /** What was found wrong, or why it was skipped. */
  readonly findings: readonly string[]
  readonly durationMs: number
}

export interface ConformanceOptions extends NodeOptions {
  readonly subject: Subject
  /** Only cases whose id begins with one of these. */
  readonly only?: readonly string[]
  readonly onCase?: (outcome: CaseOutcome) => void
}

/**
 * Runs every case against the plugin, in a network namespace that stands for the node. After each case everything it added is deleted again,
 * and a case counts as leaked only what is there more than when it began: a bridge that the first ADD makes may stay.
 */
export async function runConformance(
  { subject, only = [''], onCase, netnsPath }: ConformanceOptions,
  signal: AbortSignal,
): Promise<readonly CaseOutcome[]> {
  const node = openNode(netnsPath === undefined ? {} : { netnsPath })
  try {
    const versions = await node.spokenVersions(subject, signal)
    // What a plugin makes once and for all, it makes here.
    const first = await node.openRig({ subject, versions, signal })
    const { json } = await first.runner.add(first.newContainer().attachment())
    await first.close()
    const kind: NetworkKind = (Result.safeParse(json).data?.interfaces.length ?? 1) > 0 ? 'interface' : 'addresses'
    const outcomes: CaseOutcome[] = []
    for (const each of conformanceCases.filter(({ id }) => only.some(prefix => id.startsWith(prefix)))) {
      signal.throwIfAborted()
      const outcome = await runCase(each, kind, () => node.openRig({ subject, versions, signal }))
      outcomes.push(outcome)
      onCase?.(outcome)
    }
    return outcomes
  } finally {
    node.close()
  }
}

async function runCase(
  { id, section, rule, claim, needs, run }: ConformanceCase,
  kind: NetworkKind,
  openRig: () => ReturnType<ReturnType<typeof openNode>['openRig']>,
): Promise<CaseOutcome> {
  const started = performance.now()
  const ended = (verdict: CaseOutcome['verdict'], findings: readonly string[]): CaseOutcome => ({
    id,
    section,
    rule,
    ...(claim === undefined ? {} : { claim }),
    verdict,
    findings,
    durationMs: performance.now() - started,
  })
  if (needs !== undefined && needs !== kind)
    return ended('skip', [`the network gives containers ${kind === 'addresses' ? 'addresses alone' : 'interfaces'}`])
  const rig = await openRig()
  try {
    const found = await run(rig)
    if ('skip' in found) return ended('skip', [found.skip])
    return ended(found.length === 0 ? 'pass' : 'fail', found)
  } catch (error) {
    return ended('error', [error instanceof Error ? error.message : String(error)])
  } finally {
    await rig.close()
  }
}
