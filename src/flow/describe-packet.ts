import type { Headers } from '../base/net/path.js'
import type { HopRecord } from '../base/results/run-record.js'
import { changesBetween } from './match-path.js'
import { layersOf } from './packet-layers.js'
import { type RoleContext, roleOf } from './roles.js'
import type { Sighting } from './trace.js'

const endpoint = (ip: string | undefined, port: number | undefined): string =>
  `${ip?.includes(':') && port !== undefined ? `[${ip}]` : (ip ?? '?')}${port === undefined ? '' : `:${port}`}`

/** One line: `10.244.1.5:41234 → 10.96.0.10:80 TCP SYN ttl 64`, and what it travels in. */
export function describeHeaders(headers: Headers): string {
  const { src, dst, sport, dport, proto = '', flags, ttl, outer } = headers
  const words = [
    `${endpoint(src, sport)} → ${endpoint(dst, dport)}`,
    proto.toUpperCase(),
    flags ?? '',
    ttl === undefined ? '' : `ttl ${ttl}`,
  ]
  const tunnel = outer === undefined ? [] : [`in VXLAN vni ${outer.vni ?? '?'} ${outer.src} → ${outer.dst}`]
  return [...words, ...tunnel].filter(word => word !== '').join(' ')
}

/** What changed between two hops, as chips: `dst 10.96.0.10:80 → 10.244.2.9:8080`, `ttl 64 → 63`, `+VXLAN vni 1`. */
export function describeChanges(before: Headers | undefined, now: Headers): string[] {
  if (before === undefined) return []
  const changes = changesBetween(before, now)
  const has = (...names: readonly (typeof changes)[number][]): boolean => names.some(name => changes.includes(name))
  return [
    ...(has('src', 'sport') ? [`src ${endpoint(before.src, before.sport)} → ${endpoint(now.src, now.sport)}`] : []),
    ...(has('dst', 'dport') ? [`dst ${endpoint(before.dst, before.dport)} → ${endpoint(now.dst, now.dport)}`] : []),
    ...(has('ttl') ? [`ttl ${before.ttl} → ${now.ttl}`] : []),
    ...(has('mac') ? [`MAC ${before.ethSrc} → ${now.ethSrc}`] : []),
    ...(has('encap') ? [`+VXLAN vni ${now.outer?.vni}`] : []),
    ...(has('decap') ? ['−VXLAN'] : []),
  ]
}

/** A sighting in the form in which runs are recorded. */
export function hopRecord(sighting: Sighting, before: Headers | undefined, context: RoleContext): HopRecord {
  const { place, owner, host, dir, timeNs, frame, headers } = sighting
  const layers = layersOf(sighting)
  const mtu = mtuAt(sighting, context)
  return {
    at: place === undefined ? `${owner}:${sighting.interface}` : roleOf(place, context),
    owner,
    host,
    interface: sighting.interface,
    dir,
    timeNs: String(timeNs),
    frame,
    summary: describeHeaders(headers),
    changes: describeChanges(before, headers),
    headers: { ...headers },
    ...(layers.length > 0 && { layers }),
    ...(mtu !== undefined && { mtu }),
  }
}

/** Of the interface; that of a Pod is its node's bridge's. */
function mtuAt({ host, owner, interface: name }: Sighting, { facts }: RoleContext): number | undefined {
  const found = facts.hosts.get(host)
  if (found === undefined || name === 'lo') return undefined
  const { bridge, vxlan, uplinks } = found
  if (owner !== host) return bridge?.mtu
  return [...uplinks, bridge, vxlan].find(each => each?.name === name)?.mtu ?? bridge?.mtu
}
