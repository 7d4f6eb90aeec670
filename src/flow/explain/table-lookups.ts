import type { Headers } from '../../base/net/path.js'
import type { LabFacts } from '../lab-facts.js'
import { toolText } from './evidence.js'

/** What the tables of a node hold for an address now; undefined where they hold nothing. */
export interface TableLookups {
  /** The route that matches, as `10.244.2.0/24 via 10.244.2.0 dev vxlan0 (Node node-2)`. */
  route(node: string, dst: string): Promise<string | undefined>
  /** The forwarding entry of the VXLAN device for a MAC. */
  fdb(node: string, mac: string): Promise<string | undefined>
  /**
   * The element by which a rule of nftables that looks its new destination up in a map found it, as
   * `10.96.0.10 . 80 . 1 : 10.244.2.9 . 8080`; undefined for other rules.
   */
  mapElement(node: string, rule: TranslatingRule): Promise<string | undefined>
  /** The neighbour entry of an address, at whichever interface. */
  neighbour(node: string, dst: string): Promise<string | undefined>
}

/** A rule that gave a packet another destination. */
export interface TranslatingRule {
  readonly family: string
  readonly table: string
  readonly text: string
  /** Where the packet went before and goes after. */
  readonly before: Headers
  readonly after: Headers
}

interface Route {
  readonly type?: string
  readonly dst?: string
  readonly gateway?: string
  readonly dev?: string
}

export function tableLookups(facts: LabFacts, signal: AbortSignal): TableLookups {
  const ask = async (node: string, argv: readonly string[]): Promise<string> => {
    const host = facts.hosts.get(node)?.host
    return host === undefined ? '' : await toolText(host, argv, signal)
  }
  const owner = (address: string | undefined): string => {
    const found = [...facts.hosts.values()].find(
      ({ address: own, bridge, vxlan }) =>
        address !== undefined && (own === address || vxlan?.addresses.includes(address) || bridge?.addresses.includes(address)),
    )
    return found === undefined ? '' : ` (${found.role === 'node' ? 'Node' : found.role} ${found.name})`
  }
  /** The kernel answers with an error where a route refuses; the longest one that matches is it. */
  const refusing = async (node: string, dst: string): Promise<readonly Route[]> => {
    const text = await ask(node, ['ip', `-${facts.family}`, '-j', 'route', 'show', 'to', 'match', dst])
    const routes = text === '' ? [] : (JSON.parse(text) as Route[])
    const length = ({ dst = 'default' }: Route): number =>
      dst === 'default' ? 0 : Number(dst.split('/')[1] ?? (facts.family === 4 ? 32 : 128))
    const [longest] = routes.toSorted((a, b) => length(b) - length(a))
    return longest?.type === undefined || longest.type === 'unicast' ? [] : [longest]
  }
  return {
    async route(node, dst) {
      const text = await ask(node, ['ip', '-j', 'route', 'get', 'fibmatch', dst])
      const [route] = text === '' ? await refusing(node, dst) : (JSON.parse(text) as Route[])
      if (route === undefined) return undefined
      const { type, dst: range = 'default', gateway, dev } = route
      const words = [
        type === undefined || type === 'unicast' ? '' : `${type} `,
        range,
        gateway === undefined ? '' : ` via ${gateway}`,
        dev === undefined ? '' : ` dev ${dev}`,
        owner(gateway),
      ]
      return words.join('')
    },
    async fdb(node, mac) {
      const device = facts.hosts.get(node)?.vxlan?.name
      if (device === undefined) return undefined
      const text = await ask(node, ['bridge', 'fdb', 'show', 'dev', device])
      const line = text.split('\n').find(each => each.startsWith(mac))
      return line === undefined ? undefined : `${line.trim()} dev ${device}`
    },
    async mapElement(node, { family, table, text, before, after }) {
      // Ours: `dnat ip to ip daddr . tcp dport . numgen random mod 3 map @service-endpoints-tcp`.
      const [, count, map] = /daddr \. (?:tcp|udp|sctp|th) dport \. numgen random mod (\d+) map @(\S+)/.exec(text) ?? []
      if (count === undefined || map === undefined) return undefined
      const keys = Array.from({ length: Number(count) }, (_, i) => `${before.dst} . ${before.dport} . ${i}`)
      const found = await ask(node, ['nft', 'get', 'element', family, table, map, `{ ${keys.join(', ')} }`])
      const [, elements = ''] = /elements = \{([^}]*)\}/.exec(found) ?? []
      const element = elements
        .split(',')
        .map(each => each.replace(/\s+/g, ' ').trim())
        .find(each => each.endsWith(` : ${after.dst} . ${after.dport}`))
      return element === undefined ? undefined : `${element} in ${family} ${table} ${map}`
    },
    async neighbour(node, dst) {
      const text = await ask(node, ['ip', 'neigh', 'show', 'to', dst])
      const [line] = text.split('\n')
      return line === undefined || line === '' ? undefined : line.trim()
    },
  }
}
