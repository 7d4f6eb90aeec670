import { cidrContains, type Ip, parseCidr, parseIp } from '../../src/base/net/address.js'
import type { ChainRules, Ruleset } from '../../src/proxy-iptables/ruleset.js'

/** The first packet of a connection as it meets the node. */
export interface TracedPacket {
  readonly source: Ip
  readonly destination: Ip
  readonly dport: number
  readonly protocol: 'tcp' | 'udp'
  /** The interface it came in by; undefined for the node's own packets. */
  readonly inInterface: string | undefined
}

export type TraceResult = { readonly to: string; readonly masqueraded: boolean } | 'refused' | 'dropped'

interface State extends TracedPacket {
  readonly mark: number
  readonly isDnat: boolean
}
type Step = { readonly verdict: 'accept' | 'drop' | 'reject' | 'masquerade' | 'return'; readonly state: State }

/**
 * All ways a packet can take through the rules: every random choice is followed both ways, `recent` lists are empty.
 * It knows the matches and targets our rules use, and throws at any other.
 */
export function traceIptables(rules: Ruleset, packet: TracedPacket, localAddresses: readonly string[]): readonly TraceResult[] {
  const isLocal = (ip: string): boolean => localAddresses.includes(ip) || ip.startsWith('127.')
  const isOwn = packet.inInterface === undefined
  const results: TraceResult[] = []
  for (const nat of walk(rules.nat, isOwn ? 'OUTPUT' : 'PREROUTING', { ...packet, mark: 0, isDnat: false }, isLocal)) {
    const hook = isLocal(nat.state.destination) ? 'INPUT' : 'FORWARD'
    for (const filter of walk(rules.filter, isOwn ? 'OUTPUT' : hook, nat.state, isLocal)) {
      if (filter.verdict === 'drop') results.push('dropped')
      else if (filter.verdict === 'reject') results.push('refused')
      else {
        for (const { verdict, state } of walk(rules.nat, 'POSTROUTING', filter.state, isLocal)) {
          results.push({ to: `${state.destination}:${state.dport}`, masqueraded: verdict === 'masquerade' })
        }
      }
    }
  }
  return results
}

function walk(chains: ChainRules, chain: string, state: State, isLocal: (ip: string) => boolean, at = 0): readonly Step[] {
  const rule = chains.get(chain)?.[at]
  if (rule === undefined) return [{ verdict: 'return', state }]
  const next = (from: State): readonly Step[] => walk(chains, chain, from, isLocal, at + 1)
  const { matches, isRandom, target, options } = read(rule, state, isLocal)
  if (!matches) return next(state)
  const taken = ((): readonly Step[] => {
    switch (target) {
      case undefined:
        return next(state)
      case 'ACCEPT':
        return [{ verdict: 'accept', state }]
      case 'DROP':
        return [{ verdict: 'drop', state }]
      case 'REJECT':
        return [{ verdict: 'reject', state }]
      case 'RETURN':
        return [{ verdict: 'return', state }]
      case 'MASQUERADE':
        return [{ verdict: 'masquerade', state }]
      case 'MARK': {
        const [value = 0, mask = 0] = options['set-xmark']!.split('/').map(Number)
        return next({ ...state, mark: (state.mark & ~mask) ^ value })
      }
      case 'DNAT': {
        const [, ip = '', dport] = /^(.*):(\d+)$/.exec(options['to-destination']!) ?? []
        return [{ verdict: 'accept', state: { ...state, destination: parseIp(ip), dport: Number(dport), isDnat: true } }]
      }
      default:
        return walk(chains, target, state, isLocal).flatMap(step => (step.verdict === 'return' ? next(step.state) : [step]))
    }
  })()
  return isRandom ? [...taken, ...next(state)] : taken
}

/** Whether all matches of a rule hold, and what it then does. */
function read(rule: string, packet: State, isLocal: (ip: string) => boolean) {
  const words = rule.match(/"[^"]*"|\S+/g) ?? []
  const options: Record<string, string> = {}
  let matches = true
  let isRandom = false
  let target: string | undefined
  for (let i = 0; i < words.length; i++) {
    const isNegated = words[i] === '!'
    const option = words[isNegated ? ++i : i]!.replace(/^-+/, '')
    const value = ['rcheck', 'set', 'reap', 'rsource', 'random-fully'].includes(option) ? '' : words[++i]!
    const holds = (): boolean => {
      switch (option) {
        case 's':
          return cidrContains(parseCidr(value), packet.source)
        case 'd':
          return cidrContains(parseCidr(value), packet.destination)
        case 'i':
          return packet.inInterface?.startsWith(value.replace(/\+$/, '')) ?? false
        case 'p':
          return value === packet.protocol
        case 'dport':
          return Number(value) === packet.dport
        case 'dst-type':
          return isLocal(packet.destination)
        case 'src-type':
          return isLocal(packet.source)
        case 'mark': {
          const [wanted, mask] = value.split('/').map(Number)
          return (packet.mark & mask!) === wanted
        }
        case 'ctstate':
          return value.split(',').some(state => state === 'NEW' || (state === 'DNAT' && packet.isDnat))
        case 'rcheck':
          return false
        case 'm':
        case 'comment':
        case 'mode':
        case 'set':
        case 'seconds':
        case 'reap':
        case 'name':
        case 'mask':
        case 'rsource':
        case 'reject-with':
        case 'random-fully':
          return true
        default:
          throw new Error(`the tracer does not know --${option} in: ${rule}`)
      }
    }
    if (option === 'j') target = value
    else if (option === 'probability') isRandom = true
    else if (option === 'set-xmark' || option === 'to-destination') options[option] = value
    else if (holds() === isNegated) matches = false
  }
  return { matches, isRandom, target, options }
}
