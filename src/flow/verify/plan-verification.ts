import type { Pod, Service } from '../../api/generated/types.js'
import { type IpFamily, ipFamily, parseIp } from '../../base/net/address.js'
import { podAddress } from '../bind.js'
import { type FlowSpecInput, flowOfSpec } from '../flow-of-spec.js'
import type { Binding } from '../flow-test-schema.js'
import type { HostFacts, LabFacts } from '../lab-facts.js'
import type { FlowDocument } from '../parse-flow-file.js'

/** One question of a verification: does `from` reach `to`, and by which way. */
export interface VerifiedPair {
  /** A Pod's `namespace/name`, or an external host. */
  readonly from: string
  /** Whom it asks, as a column of the matrix: `pod shop/web-1:8080`, `service shop/web:80`, `node-1:30080`. */
  readonly to: string
  readonly expected: '.' | 'X'
  readonly document: FlowDocument
}

export interface Verification {
  /** Pairs that are asked at the same time: no two of one batch have the same sender. */
  readonly batches: readonly (readonly VerifiedPair[])[]
  /** What is not asked, and why. */
  readonly leftOut: readonly string[]
}

export interface ClusterObjects {
  readonly pods: readonly Pod[]
  readonly services: readonly Service[]
  /** `namespace/name` of a Service → the nodes on which its ready endpoints are. */
  readonly served: ReadonlyMap<string, ReadonlySet<string>>
  /** Services with endpoints that are no Pods, as the API server's own. */
  readonly foreign: ReadonlySet<string>
  /** Where a port of a Service leads now, by `namespace/name` and the number of the port. */
  readonly endpointsOf: (service: string, port: number) => readonly { readonly ip: string; readonly port: number }[]
  /** Whether the policies of the cluster let a Pod through to an address. */
  readonly isAllowed: (
    from: Pod,
    to: { readonly ip: string; readonly port: number | undefined; readonly protocol: 'tcp' | 'udp' | 'icmp' },
  ) => boolean
}

interface Target {
  readonly name: string
  readonly bind: { readonly server?: Binding; readonly svc?: Binding; readonly door?: Binding }
  readonly send: Omit<FlowSpecInput['send'], 'from' | 'to'>
  /** What must come of it; undefined where that depends on which endpoint is taken. */
  readonly expect: (from: Sender) => FlowSpecInput['expect'] | undefined
  readonly isFor: Sender['kind']
}

interface Sender {
  readonly kind: 'pod' | 'outside'
  /** The Pod that it is. */
  readonly pod: Pod | undefined
  readonly name: string
  readonly bind: Binding
}

/**
 * All Pods × Pods, Pods × Services, and hosts outside × node ports, of one namespace or of all, as flows whose way is predicted. Pure.
 * A Pod is asked at its first TCP port, by ICMP when it names none; a Service at each TCP port, and by a query where it serves names.
 * All of it in the family of `facts`; who has no address of it is left out.
 */
export function planVerification(objects: ClusterObjects, facts: LabFacts, namespace: string | undefined): Verification {
  const { pods, services, served, foreign } = objects
  const isInside = ({ metadata }: Pod | Service): boolean => namespace === undefined || metadata?.namespace === namespace
  const ready = pods.filter(pod => isInside(pod) && isReady(pod))
  const { family } = facts
  const onPodNetwork = ready.filter(pod => pod.spec?.hostNetwork !== true)
  const asked = onPodNetwork.filter(pod => podAddress(pod, family) !== undefined)
  const inside = services.filter(service => isInside(service) && service.spec?.type !== 'ExternalName')
  const leadingToPods = inside.filter(service => !foreign.has(keyOf(service)))
  const known = leadingToPods.filter(service => isHeadless(service) || hasClusterIp(service, family))
  const senders: readonly Sender[] = [
    ...asked.map(pod => ({ kind: 'pod' as const, pod, name: keyOf(pod), bind: { pod: keyOf(pod) } })),
    ...hostsOf(facts, 'external').map(({ name }) => ({ kind: 'outside' as const, pod: undefined, name, bind: { external: name } })),
  ]
  const doors = hostsOf(facts, 'node').map(({ name }) => name)
  const targets: readonly Target[] = [
    ...asked.map(pod => podTarget(pod, family, objects)),
    ...known.flatMap(service => serviceTargets(service, objects)),
    ...known.flatMap(service => doorTargets(service, doors, served.get(keyOf(service)) ?? new Set())),
  ]
  const rows = senders.map(sender =>
    targets.filter(({ isFor }) => isFor === sender.kind).flatMap(target => pairOf(sender, target, family) ?? []),
  )
  const longest = Math.max(0, ...rows.map(row => row.length))
  const batches = Array.from({ length: longest }, (_, i) => rows.flatMap(row => row[i] ?? []))
  return {
    batches,
    leftOut: [
      ...told(pods.filter(pod => isInside(pod) && !isReady(pod)).map(keyOf), 'not ready'),
      ...told(ready.filter(pod => pod.spec?.hostNetwork === true).map(keyOf), "on their node's own network"),
      ...told(onPodNetwork.filter(pod => !asked.includes(pod)).map(keyOf), `without an IPv${family} address`),
      ...told(leadingToPods.filter(service => !known.includes(service)).map(keyOf), `Services without an IPv${family} address`),
      ...told(inside.filter(service => foreign.has(keyOf(service))).map(keyOf), 'Services that lead to no Pods'),
      ...told(known.filter(isHeadless).map(keyOf), 'headless Services, whose Pods are asked themselves'),
      ...told(rowsLeftOut(senders, targets), 'some endpoints allowed by policy and some not'),
      ...told(known.flatMap(unaskedPorts), 'ports of Services whose protocol only their clients speak'),
    ],
  }
}

const rowsLeftOut = (senders: readonly Sender[], targets: readonly Target[]): readonly string[] =>
  senders.flatMap(sender =>
    targets
      .filter(target => target.isFor === sender.kind && target.expect(sender) === undefined)
      .map(({ name }) => `${sender.name} → ${name}`),
  )

const told = (names: readonly string[], why: string): readonly string[] => (names.length === 0 ? [] : [`${why}: ${names.join(', ')}`])

const hostsOf = ({ hosts }: LabFacts, role: HostFacts['role']): readonly HostFacts[] =>
  [...hosts.values()].filter(host => host.role === role).sort((a, b) => a.name.localeCompare(b.name))

const keyOf = ({ metadata }: Pod | Service): string => `${metadata?.namespace}/${metadata?.name}`

const isReady = ({ metadata, status }: Pod): boolean =>
  metadata?.deletionTimestamp === undefined && (status?.conditions ?? []).some(each => each.type === 'Ready' && each.status === 'True')

const isHeadless = ({ spec }: Service): boolean => spec?.clusterIP === 'None' || spec?.clusterIP === ''

const hasClusterIp = ({ spec }: Service, family: IpFamily): boolean =>
  [spec?.clusterIP, ...(spec?.clusterIPs ?? [])].some(ip => ip !== undefined && ip !== '' && ipFamily(parseIp(ip)) === family)

function podTarget(pod: Pod, family: IpFamily, { isAllowed }: ClusterObjects): Target {
  const port = (pod.spec?.containers ?? []).flatMap(({ ports }) => ports ?? []).find(({ protocol }) => (protocol ?? 'TCP') === 'TCP')
  return {
    name: `pod ${keyOf(pod)}${port === undefined ? '' : `:${port.containerPort}`}`,
    bind: { server: { pod: keyOf(pod) } },
    send: port === undefined ? { icmp: { size: 56 } } : { tcp: { port: port.containerPort } },
    expect(from) {
      if (from.name === keyOf(pod)) return { outcome: 'delivered', preset: 'same-pod' }
      const to = {
        ip: podAddress(pod, family) ?? '',
        port: port?.containerPort,
        protocol: port === undefined ? ('icmp' as const) : ('tcp' as const),
      }
      return from.pod === undefined || isAllowed(from.pod, to) ? { outcome: 'delivered', preset: 'pod-to-pod' } : denied
    },
    isFor: 'pod',
  }
}

type ServicePort = NonNullable<NonNullable<Service['spec']>['ports']>[number]

const portsOf = ({ spec }: Service): readonly ServicePort[] => spec?.ports ?? []
const isTcp = ({ protocol }: ServicePort): boolean => (protocol ?? 'TCP') === 'TCP'
const servesNames = ({ protocol, port }: ServicePort): boolean => protocol === 'UDP' && port === 53

/** What only a client of the application can send. */
const unaskedPorts = (service: Service): readonly string[] =>
  isHeadless(service)
    ? []
    : portsOf(service)
        .filter(port => !isTcp(port) && !servesNames(port))
        .map(({ port, protocol }) => `${keyOf(service)}:${port}/${protocol}`)

function serviceTargets(service: Service, { served, endpointsOf, isAllowed }: ClusterObjects): readonly Target[] {
  if (isHeadless(service)) return []
  const isServed = served.has(keyOf(service))
  return portsOf(service)
    .filter(port => isTcp(port) || servesNames(port))
    .map(port => ({
      name: `service ${keyOf(service)}:${port.port}${isTcp(port) ? '' : '/UDP'}`,
      bind: { svc: { service: keyOf(service), port: port.name ?? port.port }, ...(isServed && endpoint) },
      send: isTcp(port) ? { tcp: {} } : { dns: { name: 'kubernetes.default.svc.cluster.local.', type: 'A' } },
      expect(from) {
        if (!isServed) return rejected
        const protocol = isTcp(port) ? 'tcp' : 'udp'
        const answers = new Set(
          endpointsOf(keyOf(service), port.port).map(endpoint => from.pod === undefined || isAllowed(from.pod, { ...endpoint, protocol })),
        )
        if (answers.size > 1) return undefined
        return answers.has(false) ? { outcome: { dropped: { by: 'policy' } } } : { outcome: 'delivered', preset: 'service' }
      },
      isFor: 'pod',
    }))
}

/** Policies drop, at either end; the Pod must not see it. */
const denied: FlowSpecInput['expect'] = {
  outcome: { dropped: { by: 'policy' } },
  path: [{ at: 'client:eth0', dir: 'out' }, '...'],
  never: [{ at: 'server:eth0', dir: 'in', see: { src: '$client.ip' }, why: 'a policy denies it' }],
}

const endpoint = { server: { endpointOf: '$svc' } } as const
const rejected: FlowSpecInput['expect'] = { outcome: { rejected: { with: 'icmp-port-unreachable' } }, preset: 'rejected' }

/** A node without an endpoint of its own drops what is meant for its own only. */
const dropped: FlowSpecInput['expect'] = {
  outcome: { dropped: { on: '$door' } },
  path: [
    { at: 'client:uplink', dir: 'out' },
    { at: 'door:uplink', dir: 'in' },
  ],
  strict: true,
}

const doorTargets = (service: Service, doors: readonly string[], servedOn: ReadonlySet<string>): readonly Target[] =>
  portsOf(service)
    .filter(port => isTcp(port) && port.nodePort !== undefined)
    .flatMap(port =>
      doors.map((door): Target => {
        const isLocal = service.spec?.externalTrafficPolicy === 'Local'
        const isServed = isLocal ? servedOn.has(door) : servedOn.size > 0
        return {
          name: `${door}:${port.nodePort} (service ${keyOf(service)})`,
          bind: { svc: { service: keyOf(service), port: port.name ?? port.port }, door: { node: door }, ...(isServed && endpoint) },
          send: { tcp: { port: port.nodePort! } },
          expect: () => (isServed ? { outcome: 'delivered', preset: 'nodeport' } : servedOn.size > 0 ? dropped : rejected),
          isFor: 'outside',
        }
      }),
    )

const isDropped = ({ outcome }: FlowSpecInput['expect']): boolean => typeof outcome === 'object' && 'dropped' in outcome

function pairOf(from: Sender, { name: to, bind, send, expect }: Target, family: IpFamily): VerifiedPair | undefined {
  const expected = expect(from)
  if (expected === undefined) return undefined
  const spec: FlowSpecInput = {
    family: `IPv${family}`,
    bind: { client: from.bind, ...bind },
    send: {
      from: '$client',
      // Over IPv6 Linux hears a refusal at the second SYN only, when the first was answered before connect() let go of the socket.
      timeout: isDropped(expected) ? '1s' : '2s',
      to: bind.door ? '$door' : bind.svc ? '$svc' : '$server',
      ...send,
    },
    expect: expected,
  }
  return {
    from: from.name,
    to,
    expected: expected.outcome === 'delivered' ? '.' : 'X',
    document: flowOfSpec(spec, { name: `${from.name} → ${to}`, madeBy: 'verify' }),
  }
}
