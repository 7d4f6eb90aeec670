import type { ConntrackRecord } from '../base/results/run-record.js'
import type { HostFacts } from '../flow/lab-facts.js'
import { conntrackRecord } from '../flow/read-conntrack.js'
import { execConntrack } from '../kernel/exec-conntrack.js'
import type { Host } from '../kernel/host.js'

/** A rule with the packets that it has counted. */
export interface CountedRule {
  readonly host: string
  /** `nat KUBE-SERVICES`, of nftables `ip podwire services`. */
  readonly chain: string
  readonly rule: string
  readonly packets: number
}

/** What the kernel of one node holds now. */
export interface NodeTables {
  readonly host: string
  readonly conntrack: readonly ConntrackRecord[]
  readonly rules: readonly CountedRule[]
  readonly routes: readonly string[]
  readonly fdb: readonly string[]
  /** Virtual servers with their counters, where proxy ipvs made them. */
  readonly virtualServers: readonly string[]
}

/** Reads the tables of a node. What a node has no program for is empty. */
export async function readNodeTables({ name, host, vxlan }: HostFacts, proxy: string, signal: AbortSignal): Promise<NodeTables> {
  const text = async (argv: readonly string[]): Promise<string> => {
    const { exitCode, stdout } = await host.run(argv, { signal, allowFailure: true })
    return exitCode === 0 ? stdout : ''
  }
  const [conntrack, iptables, nftables, routes, fdb, ipvs] = await Promise.all([
    conntrackOf(host, signal),
    text(['iptables-save', '-c']),
    text(['nft', 'list', 'ruleset']),
    text(['ip', 'route']),
    vxlan === undefined ? '' : text(['bridge', 'fdb', 'show', 'dev', vxlan.name]),
    proxy === 'ipvs' ? text(['ipvsadm', '-Ln', '--stats']) : '',
  ])
  return {
    host: name,
    conntrack: conntrack.map(entry => conntrackRecord(name, entry)),
    rules: [...parseIptablesSave(iptables), ...parseNftRuleset(nftables)].map(rule => ({ host: name, ...rule })),
    routes: linesOf(routes),
    fdb: linesOf(fdb),
    virtualServers: linesOf(ipvs),
  }
}

const conntrackOf = async (host: Host, signal: AbortSignal) => execConntrack(host.run).list('all', signal)

const linesOf = (text: string): readonly string[] =>
  text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')

type Rule = Omit<CountedRule, 'host'>

/** The rules of `iptables-save -c`: `[12:720] -A KUBE-SERVICES -d 10.96.0.1/32 …`. */
export function parseIptablesSave(text: string): readonly Rule[] {
  const rules: Rule[] = []
  let table = ''
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1)
    const [, packets, chain, rule = ''] = /^\[(\d+):\d+\] -A (\S+) ?(.*)$/.exec(line) ?? []
    if (chain !== undefined) rules.push({ chain: `${table} ${chain}`, rule, packets: Number(packets) })
  }
  return rules
}

/** The rules with counters in `nft list ruleset`, but for the tables of iptables-nft, which `iptables-save` shows better. */
export function parseNftRuleset(text: string): readonly Rule[] {
  const rules: Rule[] = []
  let table = ''
  let chain = ''
  for (const line of text.split('\n')) {
    const [, family, tableName] = /^table (\S+) (\S+) \{/.exec(line) ?? []
    if (family !== undefined) table = `${family} ${tableName}`
    chain = /^\tchain (\S+) \{/.exec(line)?.[1] ?? chain
    const [, packets] = /counter packets (\d+) bytes \d+/.exec(line) ?? []
    if (packets === undefined || /^ip6? (filter|nat|mangle|raw|security)$/.test(table)) continue
    rules.push({ chain: `${table} ${chain}`, rule: line.trim().replace(/counter packets \d+ bytes \d+ ?/, ''), packets: Number(packets) })
  }
  return rules
}
