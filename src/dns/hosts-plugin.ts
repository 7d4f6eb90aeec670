import { isIP, isIPv6 } from 'node:net'
import type { Answer } from 'dns-packet'

import { directiveError } from './corefile.js'
import { fallthroughZones, numberOption, optionsOf, textOfFile } from './directive-options.js'
import { singleHandler } from './handler.js'
import { emptyReply, type Plugin, type Reply } from './resolve.js'
import { addressOfReverseName } from './reverse-name.js'
import { closestZone, normalZone } from './zones.js'

/** One line of hosts(5). */
export interface HostsEntry {
  readonly address: string
  readonly names: readonly string[]
}

export interface HostsOptions {
  readonly entries: readonly HostsEntry[]
  /** Names at and below these are answered. */
  readonly zones: readonly string[]
  readonly ttlSeconds: number
  /** True: addresses have names too. */
  readonly hasReverse: boolean
  /** Zones whose unknown names the next handler is asked for; SERVFAIL elsewhere, since no SOA is known for a denial. */
  readonly fallthrough: readonly string[]
}

/** Answers A, AAAA and PTR from a table of hosts; an address that is not in it is the next handler's. */
export function hostsPlugin({ entries, zones, ttlSeconds, hasReverse, fallthrough }: HostsOptions): Plugin {
  const addresses = new Map<string, Set<string>>()
  const names = new Map<string, Set<string>>()
  const add = (map: Map<string, Set<string>>, key: string, value: string): void =>
    void map.set(key, (map.get(key) ?? new Set<string>()).add(value))
  for (const entry of entries) {
    for (const name of entry.names.map(normalZone)) {
      add(addresses, name, canonical(entry.address))
      if (hasReverse) add(names, canonical(entry.address), name)
    }
  }
  const found = (name: string, type: 'A' | 'AAAA' | 'PTR', values: readonly string[]): Reply => ({
    ...emptyReply('NOERROR'),
    isAuthoritative: true,
    answers: values.map(data => ({ name, type, class: 'IN', ttl: ttlSeconds, data }) satisfies Answer),
  })

  return next => query => {
    const name = normalZone(query.name)
    if (closestZone(name, zones) === undefined) return next(query)
    if (query.type === 'PTR') {
      const known = names.get(addressOfReverseName(name) ?? '')
      return known === undefined ? next(query) : Promise.resolve(found(query.name, 'PTR', [...known]))
    }
    const known = addresses.get(name)
    if (known === undefined) return closestZone(name, fallthrough) === undefined ? Promise.resolve(emptyReply('SERVFAIL')) : next(query)
    const type = query.type === 'AAAA' ? 'AAAA' : 'A'
    const values = query.type === type ? [...known].filter(address => isIPv6(address) === (type === 'AAAA')) : []
    return Promise.resolve(found(query.name, type, values))
  }
}

const canonical = (address: string): string => (isIPv6(address) ? new URL(`http://[${address}]/`).hostname.slice(1, -1) : address)

/** The lines that name hosts; others are left out, as resolvers do. */
function entriesOf(text: string): readonly HostsEntry[] {
  return text.split('\n').flatMap(line => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    return isIP(address) && names.length > 0 ? [{ address, names }] : []
  })
}

const settings = ['ttl', 'no_reverse', 'fallthrough'] as const

/** `hosts [FILE [ZONES…]] { ADDRESS NAMES… }`: the file, /etc/hosts when none is named, is read once, at the start. */
export const hostsHandler = singleHandler('hosts', (directive, { block }) => {
  const [file = '/etc/hosts', ...zones] = directive.args
  const lines = directive.block.filter(({ name }) => isIP(name))
  const nameless = lines.find(({ args }) => args.length === 0)
  if (nameless !== undefined) throw directiveError(nameless, 'has no name')
  const options = optionsOf({ ...directive, block: directive.block.filter(line => !lines.includes(line)) }, ...settings)
  return hostsPlugin({
    entries: [...lines.map(({ name, args }) => ({ address: name, names: args })), ...entriesOf(textOfFile(directive, file))],
    zones: zones.length > 0 ? zones.map(normalZone) : block.zones.map(({ zone }) => zone),
    ttlSeconds: numberOption(options.get('ttl'), { from: 1, to: 65_535 }, 3600),
    hasReverse: !options.has('no_reverse'),
    fallthrough: fallthroughZones(options.get('fallthrough')),
  })
})
