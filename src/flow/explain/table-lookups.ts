import type { LabFacts } from '../lab-facts.js'
import { toolText } from './evidence.js'

/** What the tables of a node hold for an address now; undefined where they hold nothing. */
export interface TableLookups {
  /** The route that matches, as `10.244.2.0/24 via 10.244.2.0 dev vxlan0 (Node node-2)`. */
  route(node: string, dst: string): Promise<string | undefined>
  /** The forwarding entry of the VXLAN device for a MAC. */
  fdb(node: string, mac: string): Promise<string | undefined>
  /** The neighbour entry of an address, at whichever interface. */
  neighbour(node: string, dst: string): Promise<string | undefined>
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
    async neighbour(node, dst) {
      const text = await ask(node, ['ip', 'neigh', 'show', 'to', dst])
      const [line] = text.split('\n')
      return line === undefined || line === '' ? undefined : line.trim()
    },
  }
}
