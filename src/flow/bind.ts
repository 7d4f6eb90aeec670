import { endpointslices, pods, services } from '../api/generated/resources.js'
import type { EndpointSlice, Pod, Service } from '../api/generated/types.js'
import { PodwireError } from '../base/errors/podwire-error.js'
import { type IpFamily, ipFamily, parseIp } from '../base/net/address.js'
import type { Client } from '../client/client.js'
import type { Bindings, Bound, BoundHost, BoundPod, BoundService } from './bound.js'
import type { Binding, FlowTest } from './flow-test-schema.js'
import type { HostFacts, LabFacts } from './lab-facts.js'

/** What aliases stand for, and those whose endpoint shows only when the connection has been made: alias → alias of its Service. */
export interface BoundTest {
  readonly bindings: Bindings
  readonly late: ReadonlyMap<string, string>
}

/**
 * Finds the live objects behind the aliases. Errors: NOT_FOUND with the alias and what was looked for; the client's own.
 */
export async function bindTest(test: FlowTest, client: Client, facts: LabFacts, signal: AbortSignal): Promise<BoundTest> {
  const bindings = new Map<string, Bound>()
  const late = new Map<string, string>()
  let rest = Object.entries(test.spec.bind)
  while (rest.length > 0) {
    const ready = rest.filter(([, binding]) => needs(binding).every(alias => bindings.has(alias)))
    if (ready.length === 0) {
      throw new PodwireError(
        'CONFIG_INVALID',
        `${test.metadata.name}: ${rest.map(([alias]) => alias).join(', ')} cannot be bound: they wait for each other, or for an endpoint that is known only afterwards`,
      )
    }
    for (const [alias, binding] of ready) {
      if (binding.endpointOf !== undefined) {
        late.set(alias, aliasOf(binding.endpointOf))
        continue
      }
      const bound = await bindOne({ alias, binding, bindings, client, facts }, signal)
      bindings.set(alias, bound)
    }
    rest = rest.filter(entry => !ready.includes(entry))
  }
  return { bindings, late }
}

/** `$client.node` → `client`. */
export const aliasOf = (ref: string): string => ref.slice(1).replace(/\.node$/, '')

/** The aliases that must be bound before. */
function needs({ placed, node, endpointOf }: Binding): readonly string[] {
  const refs = [placed?.sameNodeAs, placed?.otherNodeThan, placed?.without, endpointOf, typeof node === 'object' ? node.without : undefined]
  return refs.flatMap(ref => (ref === undefined ? [] : [aliasOf(ref)]))
}

interface BindOne {
  readonly alias: string
  readonly binding: Binding
  readonly bindings: Bindings
  readonly client: Client
  readonly facts: LabFacts
}

async function bindOne({ alias, binding, bindings, client, facts }: BindOne, signal: AbortSignal): Promise<Bound> {
  const missing = (what: string, hint?: string): PodwireError =>
    new PodwireError('NOT_FOUND', `$${alias}: ${what}`, hint === undefined ? {} : { hint })
  const nodeOf = (ref: string): string => nodeOfBound(bindings.get(aliasOf(ref))) ?? ''
  if (binding.pod !== undefined) {
    const [namespace, name] = binding.pod.split('/') as [string, string]
    return boundPod(await client.get(pods, { namespace, name }, signal), facts)
  }
  if (binding.service !== undefined) return bindService(binding.service, { wanted: binding.port, client, family: facts.family }, signal)
  if (binding.external !== undefined) {
    const host = facts.hosts.get(binding.external)
    if (host?.role !== 'external') throw missing(`the lab has no external host ${binding.external}`)
    return boundHost(host, 'external')
  }
  if (binding.node !== undefined) {
    const { node } = binding
    const nodes = [...facts.hosts.values()].filter(({ role }) => role === 'node').sort((a, b) => a.name.localeCompare(b.name))
    const found = nodes.find(({ name }) => (typeof node === 'string' ? name === node : name !== nodeOf(node.without)))
    if (found === undefined) throw missing(typeof node === 'string' ? `the lab has no node ${node}` : `every node runs ${node.without}`)
    return boundHost(found, 'node')
  }
  const { select = '', namespace = 'default', placed = {} } = binding
  const { items } = await client.list(pods, { namespace, labelSelector: select }, signal)
  const candidates = items
    .filter(isReady)
    .filter(({ spec }) => placed.sameNodeAs === undefined || spec?.nodeName === nodeOf(placed.sameNodeAs))
    .filter(({ spec }) => placed.otherNodeThan === undefined || spec?.nodeName !== nodeOf(placed.otherNodeThan))
    .filter(pod => placed.without === undefined || keyOf(pod) !== bindings.get(aliasOf(placed.without))?.key)
    .sort((a, b) => keyOf(a).localeCompare(keyOf(b)))
  if (candidates[0] === undefined) {
    const where = Object.entries(placed).map(([how, ref]) => `, ${how} ${ref}`)
    throw missing(
      `no ready Pod in ${namespace} has ${select}${where.join('')}`,
      `kubectl get pods -n ${namespace} -l ${select} -o wide shows ${items.length}.`,
    )
  }
  return boundPod(candidates[0], facts)
}

const keyOf = (object: Pod | Service): string => `${object.metadata?.namespace}/${object.metadata?.name}`
const isReady = (pod: Pod): boolean =>
  pod.metadata?.deletionTimestamp === undefined &&
  (pod.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True')

/** The Pod's address of one family. */
export const podAddress = ({ status }: Pod, family: IpFamily): string | undefined =>
  addressOf([status?.podIP, ...(status?.podIPs ?? []).map(({ ip }) => ip)], family)

const addressOf = (addresses: readonly (string | undefined)[], family: IpFamily): string | undefined =>
  addresses.find(address => address !== undefined && address !== '' && address !== 'None' && ipFamily(parseIp(address)) === family)

/** The Pod with its network namespace as its node's CNI plugin recorded it. NOT_FOUND when it has no address or no attachment. */
export function boundPod(pod: Pod, facts: LabFacts): BoundPod {
  const key = keyOf(pod)
  const node = facts.hosts.get(pod.spec?.nodeName ?? '')
  const ip = podAddress(pod, facts.family)
  const attachment = node?.attachments.find(
    ({ podNamespace, podName, ifname }) => `${podNamespace}/${podName}` === key && ifname === 'eth0',
  )
  if (node === undefined || ip === undefined || attachment === undefined) {
    const lack = node === undefined ? 'node' : ip === undefined ? `IPv${facts.family} address` : 'network interface'
    throw new PodwireError('NOT_FOUND', `pod ${key} has no ${lack} yet`, { hint: `kubectl describe pod -n ${key.replace('/', ' ')}` })
  }
  const host = { ...node.host.enter(attachment.netns), name: key }
  return { kind: 'pod', key, node: node.name, ip, mac: attachment.mac, veth: attachment.hostVeth, host }
}

const boundHost = ({ name, address, host }: HostFacts, role: 'node' | 'external'): BoundHost => ({
  kind: 'host',
  key: name,
  role,
  ip: address,
  host,
})

/** The node a Pod or a node is; undefined for what lives on none. */
export const nodeOfBound = (bound: Bound | undefined): string | undefined =>
  bound?.kind === 'pod' ? bound.node : bound?.kind === 'host' && bound.role === 'node' ? bound.key : undefined

interface BindService {
  readonly wanted: string | number | undefined
  readonly client: Client
  readonly family: IpFamily
}

async function bindService(key: string, { wanted, client, family }: BindService, signal: AbortSignal): Promise<BoundService> {
  const [namespace, name] = key.split('/') as [string, string]
  const service = await client.get(services, { namespace, name }, signal)
  const ports = service.spec?.ports ?? []
  const port = wanted === undefined ? ports[0] : ports.find(each => each.name === wanted || each.port === wanted)
  if (port === undefined) {
    throw new PodwireError(
      'NOT_FOUND',
      `service ${key} has no port ${wanted ?? ''}; it has ${ports.map(each => each.name ?? each.port).join(', ') || 'none'}`,
    )
  }
  const { items } = await client.list(endpointslices, { namespace, labelSelector: `kubernetes.io/service-name=${name}` }, signal)
  const { clusterIP, clusterIPs = [] } = service.spec ?? {}
  const ip = addressOf([clusterIP, ...clusterIPs], family)
  if (ip === undefined && clusterIP !== 'None') {
    throw new PodwireError('NOT_FOUND', `service ${key} has no IPv${family} ClusterIP`, {
      hint: 'ipFamilyPolicy: PreferDualStack gives it one.',
    })
  }
  return {
    kind: 'service',
    key,
    ip,
    port: port.port,
    protocol: (port.protocol ?? 'TCP').toLowerCase() as BoundService['protocol'],
    nodePort: port.nodePort,
    isLocalOutside: service.spec?.externalTrafficPolicy === 'Local',
    endpoints: items.filter(({ addressType }) => addressType === `IPv${family}`).flatMap(slice => endpointsOf(slice, port.name)),
  }
}

function endpointsOf(slice: EndpointSlice, portName: string | undefined): BoundService['endpoints'] {
  const port = (slice.ports ?? []).find(each => (each.name ?? '') === (portName ?? ''))?.port
  if (port === undefined) return []
  return (slice.endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses }) => addresses.map(ip => ({ ip, port })))
}
