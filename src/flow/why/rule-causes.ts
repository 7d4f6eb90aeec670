import { plainRule } from '../explain/explain-hops.js'
import { type FindCause, nodeOf, sysctlOf, visitsOn } from './inquiry.js'

/** A rule, or the policy of a chain, that dropped or rejected this very packet. */
export const droppedByRule: FindCause = inquiry => {
  for (const node of inquiry.evidence.facts.hosts.keys()) {
    for (const visit of (['path', 'reply'] as const).flatMap(leg => visitsOn(inquiry, node, leg))) {
      const { family, table, chain, rules, verdict, isByPolicy } = visit
      const last = rules.at(-1)
      const isReject = last !== undefined && /\breject\b/i.test(last.text)
      if (verdict !== 'drop' && !isReject) continue
      const chains = [chain, ...rules.slice(0, -1).flatMap(each => /^(?:jump|goto) (\S+)$/.exec(each.verdict)?.[1] ?? [])]
      const where = `${node}: ${family} ${table} ${[...new Set(chains)].join(' → ')}`
      if (isByPolicy) {
        const message = `the policy of chain ${chain} (table ${family} ${table}) on ${node} drops what no rule accepts`
        return {
          code: 'chain-policy',
          message,
          where,
          evidence: [`policy ${verdict}`],
          mend: `./podwire node ${node} -- nft list chain ${family} ${table} ${chain}`,
        }
      }
      const text = plainRule(last?.text ?? '')
      const message = `a rule of chain ${last?.chain} (table ${family} ${table}) on ${node} ${isReject ? 'rejects' : 'drops'} it: ${text}`
      return {
        code: isReject ? 'rule-rejects' : 'rule-drops',
        message,
        where,
        evidence: rules.map(rule => `${rule.chain}: ${plainRule(rule.text)}`),
        mend: `./podwire node ${node} -- nft list chain ${family} ${table} ${last?.chain}`,
      }
    }
  }
  return undefined
}

/** The outer packet of a tunnel that arrives and is dropped as any other UDP of the host. */
export const tunnelDropped: FindCause = ({ last, evidence }) => {
  const { outer } = last?.headers ?? {}
  if (last === undefined || outer === undefined) return undefined
  for (const visit of evidence.visits.get(last.host) ?? []) {
    const { packet, verdict, family, table, chain, rules, isByPolicy } = visit
    if (packet.dport !== outer.dport || packet.dst !== outer.dst || verdict !== 'drop') continue
    const text = isByPolicy ? `policy drop of chain ${chain}` : plainRule(rules.at(-1)?.text ?? '')
    return {
      code: 'tunnel-dropped',
      message: `${last.host} drops the tunnel's own packets (UDP ${outer.dport}) in chain ${rules.at(-1)?.chain ?? chain} (table ${family} ${table}): ${text}`,
      where: `${last.host}: ${family} ${table} ${chain}`,
      evidence: [text],
      mend: `./podwire node ${last.host} -- nft list chain ${family} ${table} ${rules.at(-1)?.chain ?? chain}`,
    }
  }
  return undefined
}

/** The node has no rules for a Service that has endpoints. */
export const notProgrammed: FindCause = async inquiry => {
  const { service, door, client, evidence, path } = inquiry
  if (service === undefined || service.endpoints.length === 0 || evidence.facts.proxy === 'ipvs') return undefined
  const node = door?.key ?? (client.kind === 'pod' ? client.node : client.key)
  const asked = path[0]?.headers.dst
  const isTranslated = path.some(({ headers }) => headers.dst !== asked)
  const visits = visitsOn(inquiry, node, 'path')
  const hasNat = visits.some(({ rules }) => rules.some(({ text }) => /\bdnat\b/i.test(text)))
  if (isTranslated || hasNat || visits.length === 0) return undefined
  // Without br_netfilter a bridged packet still meets the rules when it is routed, so nothing else explains that none matched.
  return {
    code: 'not-programmed',
    message: `${node} has no rule that leads ${asked}:${path[0]?.headers.dport} of Service ${service.key} to an endpoint: its proxy is behind or not running`,
    where: node,
    evidence: visits.flatMap(({ family, table, chain, rules }) =>
      rules.length === 0 ? [] : [`${family} ${table} ${chain}: ${rules.map(rule => rule.verdict).join(', ')}`],
    ),
    mend: `./podwire logs ${node}`,
  }
}

/** A tracked connection that still leads to a Pod that is no endpoint any more. */
export const staleConntrack: FindCause = async inquiry => {
  const { service, evidence, client, door, signal } = inquiry
  const node = evidence.facts.hosts.get(door?.key ?? (client.kind === 'pod' ? client.node : client.key))
  if (service?.ip === undefined || node === undefined) return undefined
  const family = evidence.facts.family === 4 ? 'ipv4' : 'ipv6'
  const { stdout } = await node.host.run(['conntrack', '-L', '-f', family, '-d', service.ip, '-p', service.protocol], {
    allowFailure: true,
    signal,
  })
  const known = new Set(service.endpoints.map(({ ip }) => ip))
  const stale = stdout.split('\n').find(line => {
    if (/\bTIME_WAIT|CLOSE\b/.test(line)) return false
    const [, sources = ''] = [...line.matchAll(/\bsrc=(\S+)/g)].map(match => match[1])
    const [dport] = [...line.matchAll(/\bdport=(\d+)/g)].map(match => Number(match[1]))
    return sources !== '' && sources !== service.ip && dport === service.port && !known.has(sources)
  })
  if (stale === undefined) return undefined
  return {
    code: 'stale-conntrack',
    message: `${node.name} still tracks a connection to Service ${service.key} that leads to an address which is none of its endpoints: its client reaches nobody`,
    where: `${node.name}: conntrack`,
    evidence: [stale.trim().replace(/\s+/g, ' ')],
    mend: `./podwire node ${node.name} -- conntrack -D -d ${service.ip}`,
  }
}

/** No room for one more connection. */
export const conntrackFull: FindCause = async inquiry => {
  const node = nodeOf(inquiry, inquiry.last)
  if (node === undefined || inquiry.outcome === 'delivered') return undefined
  const [count, max] = await Promise.all(
    ['net.netfilter.nf_conntrack_count', 'net.netfilter.nf_conntrack_max'].map(name => sysctlOf(inquiry, node, name)),
  )
  if (!(Number(max) > 0 && Number(count) >= Number(max))) return undefined
  return {
    code: 'conntrack-full',
    message: `${node.name} tracks ${count} connections and may track ${max}: new ones are dropped`,
    where: `${node.name}: conntrack`,
    evidence: [`net.netfilter.nf_conntrack_count = ${count}`, `net.netfilter.nf_conntrack_max = ${max}`],
    mend: `./podwire node ${node.name} -- sysctl -w net.netfilter.nf_conntrack_max=262144`,
  }
}

/** Which sysctl of bridges decides whether the rules see bridged packets. */
export const bridgeNetfilterOff: FindCause = async inquiry => {
  const { service, server, client, reply, evidence } = inquiry
  if (service === undefined || client.kind !== 'pod') return undefined
  const node = evidence.facts.hosts.get(client.node)
  const bare = reply.find(
    ({ owner, headers }) => owner === client.key && headers.src !== undefined && headers.src !== service.ip && headers.src === server?.ip,
  )
  const name = `net.bridge.bridge-nf-call-${evidence.facts.family === 4 ? 'iptables' : 'ip6tables'}`
  if (node === undefined || bare === undefined || (await sysctlOf(inquiry, node, name)) !== '0') return undefined
  return {
    code: 'br-netfilter-off',
    message: `the answer reaches pod ${client.key} from the endpoint's own address ${bare.headers.src} and not from the Service's: on ${node.name} bridged packets skip the rules, so nothing undoes the translation`,
    where: `${node.name}: ${name}`,
    evidence: [`${name} = 0`],
    mend: `./podwire node ${node.name} -- sysctl -w ${name}=1`,
  }
}
