import type { FieldProblem } from '../../api/field-problem.js'
import { invalid } from '../../api/field-problem.js'
import type { Service, ServiceSpec } from '../../api/generated/types.js'
import type { Draft } from '../../api/json.js'
import { internalError } from '../../api/status.js'
import { usesClusterIp, usesNodePorts } from '../../api/strategies/services.js'
import type { Change, Commit, Store } from '../store/store.js'
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
  /** Notes that another server holds what this key stands for; false when the key is none of ours. */
  noteLost(key: string): boolean
}

export interface ServiceRanges {
  readonly serviceCidr: string
  readonly nodePortRange: { readonly from: number; readonly to: number }
}

/** The part of a range below which nothing is given out unasked (KEP-3070, KEP-3668). */
const reserved = (size: number, divisor: number, most: number): number => Math.min(Math.max(16, Math.floor(size / divisor)), most)

export async function openServiceAllocation(store: Store, { serviceCidr, nodePortRange }: ServiceRanges): Promise<ServiceAllocation> {
  const [network = '', bits = '24'] = serviceCidr.split('/')
  const size = 2 ** (32 - Number(bits))
  const base = numberOfIp(network)
  const addresses = await openRangeAllocator(store, {
    name: 'clusterips',
    from: base + 1,
    to: base + size - 2,
    reservedBelow: size < 64 ? base + 1 : base + reserved(size, 16, 256),
    textOf: ipOfNumber,
    numberOf: numberOfIp,
  })
  const { from, to } = nodePortRange
  const ports = await openRangeAllocator(store, {
    name: 'nodeports',
    from,
    to,
    reservedBelow: to - from < 64 ? from : from + reserved(to - from + 1, 32, 128),
    textOf: String,
    numberOf: Number,
  })

  function planAddress(spec: Draft<ServiceSpec> | undefined, previous: ServiceSpec | undefined, owner: string): Plan {
    const had = previous && usesClusterIp(previous) ? previous.clusterIP : undefined
    if (spec && usesClusterIp(spec)) {
      const asked = spec.clusterIP
      if (asked && asked === had) return nothing
      if (asked) {
        const why = refusalOfAddress(addresses, asked, serviceCidr)
        if (why) return { ...nothing, problems: [invalid('spec.clusterIPs', [asked], `failed to allocate IP ${asked}: ${why}`)] }
      }
      const number = asked ? numberOfIp(asked) : addresses.pick(new Set())
      if (number === undefined) throw internalError(`failed to allocate a serviceIP: range is full`)
      spec.clusterIP = ipOfNumber(number)
      spec.clusterIPs = [spec.clusterIP]
      return join(addresses.hold(number, owner), had ? addresses.giveBack(numberOfIp(had)) : nothing)
    }
    return had ? { ...addresses.giveBack(numberOfIp(had)), problems: [] } : nothing
  }

  function planPorts(spec: Draft<ServiceSpec> | undefined, previous: ServiceSpec | undefined, owner: string): Plan {
    const had = new Set(previous && usesNodePorts(previous) ? previous.ports?.flatMap(({ nodePort }) => nodePort || []) : [])
    const wanted = new Set<number>()
    const problems: FieldProblem[] = []
    if (spec && usesNodePorts(spec)) {
      const asked = new Set(spec.ports?.flatMap(({ nodePort }) => nodePort || []))
      const given = new Set<string>()
      spec.ports?.forEach((port, i) => {
        const at = `spec.ports[${i}].nodePort`
        if (port.nodePort) {
          const { nodePort } = port
          const isOwn = had.has(nodePort)
          if (nodePort < from || nodePort > to) {
            problems.push(invalid(at, nodePort, `provided port is not in the valid range. The range of valid ports is ${from}-${to}`))
          } else if ((ports.isHeld(nodePort) && !isOwn) || given.has(`${nodePort}/${port.protocol}`)) {
            problems.push(invalid(at, nodePort, 'provided port is already allocated'))
          }
          given.add(`${nodePort}/${port.protocol}`)
          wanted.add(nodePort)
          return
        }
        // One number serves the same port in TCP and UDP, as upstream gives it.
        const twin = spec.ports?.find((other, j) => j < i && other.port === port.port && other.protocol !== port.protocol && other.nodePort)
        const number = twin?.nodePort ?? ports.pick(new Set([...asked, ...wanted]))
        if (number === undefined) throw internalError('failed to allocate a nodePort: range is full')
        port.nodePort = number
        wanted.add(number)
      })
    }
    if (problems.length > 0) return { ...nothing, problems }
    const take = [...wanted].filter(number => !had.has(number)).map(number => ports.hold(number, owner))
    const leave = [...had].filter(number => !wanted.has(number)).map(number => ports.giveBack(number))
    return join(...take, ...leave)
  }

  return {
    plan(service, previous) {
      const owner = `${(service ?? previous)?.metadata?.namespace}/${(service ?? previous)?.metadata?.name}`
      const address = planAddress(service?.spec, previous?.spec, owner)
      const port = planPorts(service?.spec, previous?.spec, owner)
      return { commit: join(address, port), problems: [...address.problems, ...port.problems] }
    },
    noteCommitted(changes) {
      addresses.noteCommitted(changes)
      ports.noteCommitted(changes)
    },
    noteLost(key) {
      addresses.noteHeld(key)
      ports.noteHeld(key)
      return addresses.owns(key) || ports.owns(key)
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

function refusalOfAddress(addresses: RangeAllocator, address: string, cidr: string): string | undefined {
  const number = numberOfIp(address)
  if (number < addresses.from || number > addresses.to) {
    return `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${cidr}`
  }
  return addresses.isHeld(number) ? 'provided IP is already allocated' : undefined
}

const numberOfIp = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
const ipOfNumber = (number: number): string => [24, 16, 8, 0].map(shift => (number >>> shift) & 255).join('.')
