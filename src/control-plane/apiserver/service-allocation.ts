import { type FieldProblem, invalid } from '../../api/field-problem.js'
import type { Service, ServiceSpec } from '../../api/generated/types.js'
import type { Draft } from '../../api/json.js'
import { internalError } from '../../api/status.js'
import { familyOfAddress, type ServiceFamily, settleFamilies } from '../../api/strategies/service-families.js'
import { needsHealthCheckPort, usesClusterIp, usesNodePorts } from '../../api/strategies/services.js'
import type { Change, Commit, Store } from '../store/store.js'
import type { ClusterAddresses } from './cluster-addresses.js'
import { openRangeAllocator, type RangeAllocator } from './range-allocator.js'

/** Gives Services their addresses and node ports, in the commit that stores them. */
export interface ServiceAllocation {
  /**
   * Fills what `service` leaves open and returns what must be committed with it; `problems` when it asks for what it cannot have.
   * Without `service` everything of `previous` is given back.
   */
  plan(
    service: Draft<Service> | undefined,
    previous: Service | undefined,
  ): { readonly commit: Commit; readonly problems: readonly FieldProblem[] }
  noteCommitted(changes: readonly Change[]): void
  /** Notes that another server holds what this key stands for. */
  noteLost(key: string): void
  /** Node ports that are held and that no Service has, as a commit that gives them back. */
  strayPorts(services: readonly Service[]): Commit
}

export interface ServiceRanges {
  /** One or two ranges, of different families; the first is the default. */
  readonly serviceCidrs: readonly string[]
  readonly nodePortRange: { readonly from: number; readonly to: number }
}

/** The part of the node ports below which nothing is given out unasked (KEP-3668). */
const reservedPorts = (size: number): number => (size < 64 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128))

interface Parts {
  readonly store: Store
  readonly addresses: ClusterAddresses
  readonly ranges: ServiceRanges
}

export async function openServiceAllocation({ store, addresses, ranges }: Parts): Promise<ServiceAllocation> {
  const families = ranges.serviceCidrs.map(familyOfAddress)
  const { from, to } = ranges.nodePortRange
  const ports = await openRangeAllocator(store, {
    name: 'nodeports',
    from,
    to,
    reservedBelow: from + reservedPorts(to - from + 1),
    textOf: String,
    numberOf: Number,
  })

  return {
    plan(service, previous) {
      const { namespace = '', name = '' } = (service ?? previous)?.metadata ?? {}
      const owner = { namespace, name }
      const address = planAddresses(addresses, { spec: service?.spec, previous: previous?.spec, owner, families })
      const port = planPorts(ports, { spec: service?.spec, previous: previous?.spec, owner: `${namespace}/${name}` })
      return { commit: join(address, port), problems: [...address.problems, ...port.problems] }
    },
    noteCommitted: changes => ports.noteCommitted(changes),
    noteLost: key => ports.noteHeld(key),
    strayPorts(services) {
      const used = new Set(services.flatMap(({ spec }) => (spec ? portsOf(spec) : [])))
      return join(
        ...ports
          .held()
          .filter(port => !used.has(port))
          .map(port => ports.giveBack(port)),
      )
    },
  }
}

interface Plan extends Commit {
  readonly problems: readonly FieldProblem[]
}

const nothing: Plan = { expect: [], changes: [], problems: [] }
const join = (...parts: readonly Commit[]): Plan => ({
  expect: parts.flatMap(({ expect }) => expect),
  changes: parts.flatMap(({ changes }) => changes),
  problems: [],
})

/** The addresses a Service holds. */
export const addressesOf = (spec: ServiceSpec | undefined): readonly string[] =>
  spec && usesClusterIp(spec) ? (spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : [])).filter(address => address !== '') : []

interface AddressPlan {
  readonly spec: Draft<ServiceSpec> | undefined
  readonly previous: ServiceSpec | undefined
  readonly owner: { readonly namespace: string; readonly name: string }
  readonly families: readonly ServiceFamily[]
}

function planAddresses(addresses: ClusterAddresses, { spec, previous, owner, families }: AddressPlan): Plan {
  const had = addressesOf(previous)
  const leave = (kept: readonly string[]): Commit[] => had.filter(one => !kept.includes(one)).map(one => addresses.giveBack(one))
  if (!spec || spec.type === 'ExternalName') return join(...leave([]))

  const problems = settleFamilies(spec, previous, families)
  if (problems.length > 0) return { ...nothing, problems }
  if (spec.clusterIP === 'None') {
    spec.clusterIPs = ['None']
    return join(...leave([]))
  }
  const asked = spec.clusterIPs ?? []
  for (const address of asked) {
    if (address === '' || had.includes(address)) continue
    const why = addresses.refusalOf(address)
    if (why) return { ...nothing, problems: [invalid('spec.clusterIPs', asked, `failed to allocate IP ${address}: ${why}`)] }
  }
  spec.clusterIPs = (spec.ipFamilies ?? []).map((family, i) => {
    const address = asked[i] || addresses.pick(family as ServiceFamily)
    if (!address) throw internalError(`failed to allocate a serviceIP: range is full`)
    return address
  })
  spec.clusterIP = spec.clusterIPs[0]!
  const take = spec.clusterIPs.filter(address => !had.includes(address)).map(address => addresses.hold(address, owner))
  return join(...take, ...leave(spec.clusterIPs))
}

/** The node ports a Service holds. */
const portsOf = (spec: ServiceSpec): readonly number[] => [
  ...(mayHoldPorts(spec) ? (spec.ports?.flatMap(({ nodePort }) => nodePort || []) ?? []) : []),
  ...(needsHealthCheckPort(spec) && spec.healthCheckNodePort ? [spec.healthCheckNodePort] : []),
]
/** A load balancer that wants no node ports may still name some. */
const mayHoldPorts = ({ type }: ServiceSpec): boolean => type === 'NodePort' || type === 'LoadBalancer'

interface PortPlan {
  readonly spec: Draft<ServiceSpec> | undefined
  readonly previous: ServiceSpec | undefined
  readonly owner: string
}

function planPorts(ports: RangeAllocator, { spec, previous, owner }: PortPlan): Plan {
  const had = new Set(previous ? portsOf(previous) : [])
  const wanted = new Set<number>()
  const problems: FieldProblem[] = []
  const given = new Set<string>()
  const takeAsked = (port: number, field: string, protocol: string): void => {
    if (port < ports.from || port > ports.to) {
      const range = `The range of valid ports is ${ports.from}-${ports.to}`
      problems.push(invalid(field, port, `provided port is not in the valid range. ${range}`))
    } else if ((ports.isHeld(port) && !had.has(port)) || given.has(`${port}/${protocol}`)) {
      problems.push(invalid(field, port, 'provided port is already allocated'))
    }
    given.add(`${port}/${protocol}`)
    wanted.add(port)
  }
  const pick = (): number => {
    const asked = spec?.ports?.flatMap(({ nodePort }) => nodePort || []) ?? []
    const number = ports.pick(new Set([...asked, ...wanted]))
    if (number === undefined) throw internalError('failed to allocate a nodePort: range is full')
    wanted.add(number)
    return number
  }

  if (spec && mayHoldPorts(spec)) {
    spec.ports?.forEach((port, i) => {
      if (port.nodePort) takeAsked(port.nodePort, `spec.ports[${i}].nodePort`, port.protocol ?? 'TCP')
      if (port.nodePort || !usesNodePorts(spec)) return
      // One number serves the same port in TCP and UDP, as upstream gives it.
      const twin = spec.ports?.find((other, j) => j < i && other.port === port.port && other.protocol !== port.protocol && other.nodePort)
      port.nodePort = twin?.nodePort ?? pick()
    })
  }
  if (spec && needsHealthCheckPort(spec)) {
    const before = previous && needsHealthCheckPort(previous) ? previous.healthCheckNodePort : undefined
    spec.healthCheckNodePort ||= before ?? pick()
    if (before !== undefined && spec.healthCheckNodePort !== before) {
      problems.push(invalid('spec.healthCheckNodePort', spec.healthCheckNodePort, 'field is immutable'))
    } else if (!wanted.has(spec.healthCheckNodePort)) takeAsked(spec.healthCheckNodePort, 'spec.healthCheckNodePort', 'TCP')
  }
  if (problems.length > 0) return { ...nothing, problems }
  const take = [...wanted].filter(number => !had.has(number)).map(number => ports.hold(number, owner))
  const leave = [...had].filter(number => !wanted.has(number)).map(number => ports.giveBack(number))
  return join(...take, ...leave)
}
