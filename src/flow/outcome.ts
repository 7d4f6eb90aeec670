import type { Finding } from '../base/results/run-record.js'
import { aliasOf, nodeOfBound } from './bind.js'
import type { Bound, BoundPod } from './bound.js'
import type { OutcomeExpectation, ResponseExpectation } from './flow-test-schema.js'
import type { ProbeResult } from './probe-protocol.js'
import { boundAs, type RoleContext, resolveValue } from './roles.js'
import type { Trace } from './trace.js'

/** Whether an exchange ended as expected; what only the captures can tell is left to `judgeOutcome`. */
export function endedAs(expected: OutcomeExpectation, { outcome }: ProbeResult): boolean {
  if (typeof expected === 'string') return outcome === expected
  if ('dropped' in expected) return outcome === 'timeout'
  // The kernel learns what would fit and tells nobody.
  if (expected.rejected.with === 'icmp-fragmentation-needed') return outcome === 'timeout'
  return expected.rejected.with === 'icmp-net-unreachable' || expected.rejected.with === 'icmp-host-unreachable'
    ? outcome === 'unreachable'
    : outcome === 'refused'
}

export const outcomeText = (expected: OutcomeExpectation): string =>
  typeof expected === 'string'
    ? expected
    : 'dropped' in expected
      ? `dropped${expected.dropped.on ? ` on ${expected.dropped.on}` : ''}`
      : `rejected with ${expected.rejected.with}`

/** Types and codes of RFC 792 and RFC 1812, and what RFC 4443 has for the same. */
const rejections: Readonly<Record<string, Readonly<Record<'icmp' | 'icmpv6', readonly [type: number, code: number]>>>> = {
  'icmp-net-unreachable': { icmp: [3, 0], icmpv6: [1, 0] },
  'icmp-host-unreachable': { icmp: [3, 1], icmpv6: [1, 3] },
  'icmp-port-unreachable': { icmp: [3, 3], icmpv6: [1, 4] },
  'icmp-admin-prohibited': { icmp: [3, 13], icmpv6: [1, 1] },
  'icmp-fragmentation-needed': { icmp: [3, 4], icmpv6: [2, 0] },
}

/** Compares the end of an exchange, and where the captures say it came about. */
export function judgeOutcome(
  expected: OutcomeExpectation,
  {
    result,
    trace,
    where,
    context,
  }: { readonly result: ProbeResult; readonly trace: Trace; readonly where: string; readonly context: RoleContext },
): Finding[] {
  if (!endedAs(expected, result)) {
    const message = `it ended ${result.outcome}${result.error ? ` (${result.error})` : ''}, not ${outcomeText(expected)}`
    return [{ severity: 'fail', message, where }]
  }
  if (typeof expected === 'string') return []
  if ('rejected' in expected) {
    const answer = trace.reply.at(-1)?.subject.transport
    const isIcmp = answer?.kind === 'icmp' || answer?.kind === 'icmpv6'
    const wanted = isIcmp ? rejections[expected.rejected.with]?.[answer.kind] : undefined
    const isRight =
      expected.rejected.with === 'tcp-reset'
        ? answer?.kind === 'tcp' && answer.flags.includes('RST')
        : isIcmp && wanted !== undefined && answer.type === wanted[0] && answer.code === wanted[1]
    const mtu = expected.rejected.mtu === undefined ? undefined : Number(resolveValue(expected.rejected.mtu, context))
    const said = isIcmp ? answer.mtu : undefined
    if (isRight && mtu !== undefined && said !== mtu) {
      return [{ severity: 'fail', message: `the answer says that ${said ?? 'no'} bytes would fit, not ${mtu}`, where }]
    }
    if (isRight) return []
    const seen =
      answer === undefined
        ? 'no answer'
        : isIcmp
          ? `${answer.kind === 'icmp' ? 'ICMP' : 'ICMPv6'} type ${answer.type} code ${answer.code}`
          : answer.kind
    return [{ severity: 'fail', message: `it was rejected with ${seen}, not ${expected.rejected.with}`, where }]
  }
  const last = trace.attempts[0]?.at(-1)
  const { on } = expected.dropped
  const node = on === undefined ? undefined : nodeOfBound(boundAs(aliasOf(on), context))
  if (node === undefined || last?.host === node) return []
  return [{ severity: 'fail', message: `it was last seen on ${last?.host ?? 'no host'}, not on ${node}`, where }]
}

/** Compares what the answer said. */
export function judgeResponse(
  expected: ResponseExpectation,
  result: ProbeResult,
  { where, context }: { readonly where: string; readonly context: RoleContext },
): Finding[] {
  const findings: Finding[] = []
  const fail = (message: string): void => void findings.push({ severity: 'fail', message, where })
  if (expected.status !== undefined && result.status !== expected.status)
    fail(`the HTTP status is ${result.status ?? 'missing'}, not ${expected.status}`)
  if (expected.rcode !== undefined && result.rcode !== expected.rcode)
    fail(`the name server answered ${result.rcode ?? 'nothing'}, not ${expected.rcode}`)
  const server = readServerAnswer(result)
  if (expected.from !== undefined) {
    const wanted = boundAs(aliasOf(expected.from), context)
    if (server?.pod !== nameOf(wanted)) fail(`${server?.pod ?? 'nobody that tells its name'} answered, not ${wanted.key}`)
  }
  if (expected.client !== undefined) {
    const wanted = resolveValue(expected.client, context)
    if (server?.client !== wanted) fail(`the server saw its client at ${server?.client ?? 'an address it did not tell'}, not at ${wanted}`)
  }
  if (expected.answers !== undefined) {
    const wanted = expected.answers.map(value => String(resolveValue(value, context))).sort()
    const seen = [...(result.answers ?? [])].sort()
    if (wanted.join() !== seen.join()) fail(`the name stands for ${seen.join(', ') || 'nothing'}, not for ${wanted.join(', ')}`)
  }
  return findings
}

const nameOf = ({ key }: Bound): string => key.split('/').at(-1)!

/** What a test server (bin/test-server.ts) said of itself and its client. */
function readServerAnswer({ body }: ProbeResult): { readonly pod: string; readonly client: string } | undefined {
  try {
    const { pod, client } = JSON.parse(body ?? '') as { pod: string; client: { address: string } }
    return { pod, client: client.address }
  } catch {
    return undefined
  }
}

/** The Pod among `candidates` that took the exchange: where it was last addressed to, else who says that it answered, else the only one there is. */
export function serverOf(trace: Trace | undefined, result: ProbeResult, candidates: readonly BoundPod[]): BoundPod | undefined {
  const reached = trace?.attempts
    .flatMap(attempt => attempt.toReversed().map(({ headers }) => headers.dst))
    .find(dst => candidates.some(({ ip }) => ip === dst))
  const name = readServerAnswer(result)?.pod
  const only = candidates.length === 1 ? candidates[0] : undefined
  return candidates.find(({ ip }) => ip === reached) ?? candidates.find(candidate => nameOf(candidate) === name) ?? only
}
