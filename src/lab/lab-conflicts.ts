import { type Cidr, cidrParts, cidrSize, cidrsOverlap, parseCidr } from '../base/net/address.js'
import { mainSegment } from './host-names.js'
import { places } from './host-places.js'
import type { LabShape } from './lab-shape.js'

/** Two parts of a lab file that do not go together, told at the place that the reader would change. */
export interface Conflict {
  readonly path: readonly (string | number)[]
  /** The other part, for a file that leaves the first one at its default. */
  readonly otherPath?: readonly (string | number)[]
  readonly message: string
}

/** Ranges that are no network of anybody's: the kernel treats their addresses in its own way. */
const specialRanges = {
  '0.0.0.0/8': '"this network"',
  '127.0.0.0/8': 'loopback',
  '169.254.0.0/16': 'link-local',
  '224.0.0.0/3': 'multicast',
}

/** All conflicts of a lab file; parts that are missing (because they are wrong by themselves) conflict with nothing. */
export function findConflicts(spec: Partial<LabShape>): readonly Conflict[] {
  return [...nameConflicts(spec), ...segmentConflicts(spec), ...rangeConflicts(spec), ...sizeConflicts(spec)]
}

function* nameConflicts({ nodes = [], externals = [] }: Partial<LabShape>): Generator<Conflict> {
  const seen = new Map<string, string>()
  const all = [
    ...nodes.map(({ name }, i) => ({ name, path: ['nodes', i, 'name'] as const })),
    ...externals.map(({ name }, i) => ({ name, path: ['externals', i, 'name'] as const })),
  ]
  for (const { name, path } of all) {
    const first = seen.get(name)
    if (first !== undefined) yield { path, message: `${name} is already the name of ${first}; each host needs its own` }
    else seen.set(name, `${path[0]}[${path[1]}]`)
  }
}

function* segmentConflicts({ nodes = [], externals = [], underlay, datapath }: Partial<LabShape>): Generator<Conflict> {
  if (underlay === undefined) return
  const known = [mainSegment, ...underlay.segments.map(({ name }) => name)]
  for (const [i, name] of known.entries()) {
    if (known.indexOf(name) === i) continue
    yield { path: ['underlay', 'segments', i - 1, 'name'], message: `${name} is already the name of a segment; each needs its own` }
  }
  const hosts = [
    ...nodes.map(({ segment }, i) => ({ segment, path: ['nodes', i, 'segment'] as const })),
    ...externals.map(({ segment }, i) => ({ segment, path: ['externals', i, 'segment'] as const })),
  ]
  for (const { segment, path } of hosts) {
    if (!known.includes(segment)) yield { path, message: `the underlay has no segment ${segment}; it has ${known.join(', ')}` }
  }
  const places = new Set(nodes.map(({ segment }) => segment))
  if (datapath === 'bridge' && places.size > 1) {
    const message = `bridge is one flat layer 2, but the nodes stand on ${places.size} segments (${[...places].join(', ')}); use vxlan, routed or mixed`
    yield { path: ['datapath'], message }
  }
}

function* rangeConflicts({ underlay, pods, services }: Partial<LabShape>): Generator<Conflict> {
  const ranges = [
    ...(underlay ? [{ path: ['underlay', 'subnet'], what: 'the underlay', cidr: parseCidr(underlay.subnet) }] : []),
    ...(underlay?.segments ?? []).map(({ name, subnet }, i) => ({
      path: ['underlay', 'segments', i, 'subnet'],
      what: `segment ${name}`,
      cidr: parseCidr(subnet),
    })),
    ...(pods ? [{ path: ['pods', 'cidr'], what: 'the Pods', cidr: parseCidr(pods.cidr) }] : []),
    ...(services ? [{ path: ['services', 'cidr'], what: 'the Services', cidr: parseCidr(services.cidr) }] : []),
  ]
  for (const [i, { path, what, cidr }] of ranges.entries()) {
    for (const earlier of ranges.slice(0, i)) {
      if (!cidrsOverlap(cidr, earlier.cidr)) continue
      yield { path, otherPath: earlier.path, message: `${cidr} of ${what} overlaps ${earlier.cidr} of ${earlier.what}` }
    }
    for (const [special, meaning] of Object.entries(specialRanges)) {
      if (cidrsOverlap(cidr, special as Cidr)) yield { path, message: `${cidr} overlaps ${special}, which is ${meaning}` }
    }
  }
}

function* sizeConflicts({ nodes, externals, underlay, pods, services }: Partial<LabShape>): Generator<Conflict> {
  if (underlay && nodes && externals) {
    const last = externals.length > 0 ? places.firstExternal + externals.length - 1 : places.firstNode + nodes.length - 1
    const subnets = [
      { subnet: underlay.subnet, path: ['underlay', 'subnet'] },
      ...underlay.segments.map(({ subnet }, i) => ({ subnet, path: ['underlay', 'segments', i, 'subnet'] })),
    ]
    for (const { subnet, path } of subnets) {
      const usable = Number(cidrSize(parseCidr(subnet))) - 2
      if (last <= usable) continue
      const message = `${subnet} has ${Math.max(usable, 0)} addresses, but this lab's last host gets number ${last}; use a /24 or larger`
      yield { path, message }
    }
  }
  if (pods && nodes) {
    const { prefix } = cidrParts(parseCidr(pods.cidr))
    const ranges = pods.nodeMask < prefix ? 0 : 2 ** (pods.nodeMask - prefix)
    // The first range stays free, so that node-1 has number 1.
    if (ranges < nodes.length + 1) {
      const message = `${pods.cidr} has ${ranges} ranges of /${pods.nodeMask}, but ${nodes.length} nodes need ${nodes.length + 1}`
      yield { path: ['pods', 'nodeMask'], message }
    }
  }
  if (services && cidrSize(parseCidr(services.cidr)) < 32n) {
    yield {
      path: ['services', 'cidr'],
      message: `${services.cidr} is too small: the name server has address number 10; use a /27 or larger`,
    }
  }
}
