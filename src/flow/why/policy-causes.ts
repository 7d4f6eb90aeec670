import { plainRule } from '../explain/explain-hops.js'
import { denialOf, readPolicyWorld, verdictBetween } from '../read-policy-world.js'
import { type FindCause, type Inquiry, visitsOn } from './inquiry.js'

/** The table in which our agents enforce policies. */
const policyTable = 'podwire-policy'

/**
 * What the policies of the cluster say of this very connection, beside what the rules did to it. Where the two do not agree it says so: the
 * reference verdict is `decide`, and the rules are to follow it.
 */
export const policy: FindCause = async inquiry => {
  const { client, outcome, evidence, signal } = inquiry
  const packet = translatedPacket(inquiry)
  if (client.kind !== 'pod' || packet === undefined) return undefined
  const sent = evidence.sent.rounds[0]?.[0]?.planned.protocol ?? 'tcp'
  const protocol = sent === 'icmpv6' ? 'icmp' : sent
  const world = await readPolicyWorld(evidence.client, signal)
  const denial = denialOf(verdictBetween({ from: client.ip, to: packet.dst, protocol, port: packet.dport }, world))
  const drop = policyDrop(inquiry)
  const to = `${packet.dst}${packet.dport === undefined ? '' : `:${packet.dport}`}`
  const evidenceOf = (...lines: readonly (string | undefined)[]): string[] => lines.flatMap(line => line ?? [])
  const mend = `./podwire policy explain ${client.key} ${to}/${protocol}`
  if (denial === undefined) {
    if (drop === undefined) return undefined
    return {
      code: 'policy-disagrees',
      message: `${drop.node} drops it in the table of network policies, though no policy denies it: the rules there are not those of the policies`,
      where: drop.where,
      evidence: evidenceOf(drop.rule),
      mend,
    }
  }
  const policies = [...new Set(denial.rules.map(({ kind, policy }) => `${kind} ${policy}`))].join(', ')
  const subject =
    denial.end === 'egress' ? `from pod ${client.key}` : `to ${inquiry.server === undefined ? packet.dst : `pod ${inquiry.server.key}`}`
  const byRule = denial.rules.find(({ rule }) => rule !== undefined)
  if (outcome === 'delivered') {
    return {
      code: 'policy-not-enforced',
      message: `it got through, and ${policies} denies it ${subject}: nothing enforces that`,
      evidence: evidenceOf(...denial.rules.map(ruleText)),
      mend: './podwire set netpol nftables',
    }
  }
  return {
    code: 'policy-denies',
    message:
      byRule === undefined
        ? `${policies} selects the Pod for ${denial.end}, and no rule allows this connection ${subject}`
        : `${policies} denies this connection ${subject}`,
    ...(drop !== undefined && { where: drop.where }),
    evidence: evidenceOf(...denial.rules.map(ruleText), drop?.rule),
    mend,
  }
}

const ruleText = ({
  kind,
  policy,
  rule,
  ruleName,
}: {
  readonly kind: string
  readonly policy: string
  readonly rule?: number
  readonly ruleName?: string
}): string =>
  `${kind} ${policy}${rule === undefined ? ': default deny' : `, rule ${rule}${ruleName === undefined ? '' : ` (${ruleName})`}`}`

/** Addresses and port after translation, as the rules of policies see them. */
function translatedPacket(inquiry: Inquiry): { readonly dst: string; readonly dport: number | undefined } | undefined {
  const { client, path, service } = inquiry
  if (client.kind !== 'pod') return undefined
  const visit = visitsOn(inquiry, client.node, 'path').at(-1)
  const last = path.at(-1)?.headers
  const found = visit === undefined ? { dst: last?.dst, dport: last?.dport } : { dst: visit.packet.dst, dport: visit.packet.dport }
  if (found.dst === undefined || found.dst === service?.ip) return undefined
  return { dst: found.dst, dport: found.dport }
}

function policyDrop(inquiry: Inquiry): { readonly node: string; readonly where: string; readonly rule: string } | undefined {
  for (const node of inquiry.evidence.facts.hosts.keys()) {
    const visit = visitsOn(inquiry, node, 'path').find(({ table, verdict }) => table === policyTable && verdict === 'drop')
    if (visit === undefined) continue
    const rule = visit.rules.at(-1)
    return {
      node,
      where: `${node}: ${visit.family} ${visit.table} ${rule?.chain ?? visit.chain}`,
      rule: plainRule(rule?.text ?? 'policy drop'),
    }
  }
  return undefined
}
