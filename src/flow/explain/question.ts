import { deployments, pods, services } from '../../api/generated/resources.js'
import { PodwireError } from '../../base/errors/podwire-error.js'
import type { Client } from '../../client/client.js'
import { type FlowSpecInput, flowOfSpec } from '../flow-of-spec.js'
import type { Binding } from '../flow-test-schema.js'
import type { FlowDocument } from '../parse-flow-file.js'

/** One packet that somebody asks about: `trace pod/client svc/web:80`. */
export interface Question {
  readonly from: string
  readonly to: string
  /** Of Pods, Services and Deployments that do not name theirs. */
  readonly namespace: string
  /** TCP when absent; what names no port is asked by ICMP. */
  readonly protocol?: 'tcp' | 'udp' | 'icmp' | undefined
  /** IPv4 when absent. */
  readonly family?: 'IPv4' | 'IPv6' | undefined
  /** Of ICMP: bytes after its header, or `mtu` for the largest packet that the sender may send. */
  readonly size?: number | 'mtu' | undefined
  /** How long an answer is waited for; two seconds when absent. */
  readonly timeoutMs?: number
}

/** Words of a question: what kind of thing, which, and at which port. */
export interface Party {
  readonly kind: 'pod' | 'service' | 'deployment' | 'node' | 'external'
  /** `namespace/name` of what lives in one, else the name. */
  readonly key: string
  readonly port: number | string | undefined
}

const kinds: Readonly<Record<string, Party['kind']>> = {
  pod: 'pod',
  po: 'pod',
  svc: 'service',
  service: 'service',
  deploy: 'deployment',
  deployment: 'deployment',
  node: 'node',
  external: 'external',
}

/** `pod/client`, `pod/shop/client:8080`, `svc/web:80`, `deploy/client`, `node/node-1:30080`, `external/ext1`. Errors: CONFIG_INVALID. */
export function parseParty(text: string, namespace: string): Party {
  const [, kindText = '', rest = '', portText] = /^([a-z]+)\/([^:]+?)(?::([A-Za-z0-9-]+))?$/.exec(text) ?? []
  const kind = kinds[kindText]
  const names = rest.split('/')
  const isNamespaced = kind !== 'node' && kind !== 'external'
  if (kind === undefined || names.length > (isNamespaced ? 2 : 1) || names.some(name => name === '')) {
    throw new PodwireError('CONFIG_INVALID', `${text} names nothing that packets go from or to`, {
      hint: 'write pod/NAME, svc/NAME:PORT, deploy/NAME, node/NAME:PORT or external/NAME; pod/NAMESPACE/NAME, or -n NAMESPACE',
    })
  }
  const key = isNamespaced && names.length === 1 ? `${namespace}/${rest}` : rest
  const port = portText === undefined ? undefined : /^\d+$/.test(portText) ? Number(portText) : portText
  return { kind, key, port }
}

/** A question with the flow that asks it. */
export interface AskedFlow {
  readonly document: FlowDocument
  readonly from: Party
  readonly to: Party
}

/**
 * The flow that asks a question: as if it should get through. Errors: CONFIG_INVALID for words that make no sense, NOT_FOUND for a Deployment
 * or a Pod that is not there.
 */
export async function askedFlow(question: Question, client: Client, signal: AbortSignal): Promise<AskedFlow> {
  const { namespace, protocol = 'tcp', family = 'IPv4', size, timeoutMs = 2_000 } = question
  const [from, to] = [parseParty(question.from, namespace), parseParty(question.to, namespace)]
  if (from.kind === 'service') throw new PodwireError('CONFIG_INVALID', `${question.from} is a Service; it cannot send`)
  const bind: { client: Binding; server?: Binding; svc?: Binding; door?: Binding } = { client: await bindingOf(from, client, signal) }
  const name = `${question.from} → ${question.to}`
  const make = (send: Omit<FlowSpecInput['send'], 'from'>, preset: FlowSpecInput['expect']['preset']): AskedFlow => ({
    document: flowOfSpec(
      { bind, family, send: { from: '$client', timeout: `${timeoutMs}ms`, ...send }, expect: { outcome: 'delivered', preset } },
      { name, madeBy: 'the command line' },
    ),
    from,
    to,
  })
  if (to.kind === 'service') {
    bind.svc = { service: to.key, ...(to.port !== undefined && { port: to.port }) }
    bind.server = { endpointOf: '$svc' }
    const isDns = protocol === 'udp' && (to.port === 53 || to.port === 'dns')
    const send = isDns ? { dns: { name: 'kubernetes.default.svc.cluster.local.' } } : protocol === 'udp' ? { udp: {} } : { tcp: {} }
    return make({ to: '$svc', ...send }, 'service')
  }
  if (to.kind === 'node' || to.kind === 'external') {
    const service = typeof to.port === 'number' ? await serviceOfNodePort(to.port, client, signal) : undefined
    bind.door = to.kind === 'node' ? { node: to.key } : { external: to.key }
    if (service !== undefined) {
      bind.svc = service
      bind.server = { endpointOf: '$svc' }
    }
    if (typeof to.port !== 'number') throw new PodwireError('CONFIG_INVALID', `${question.to} needs the number of a port`)
    return make({ to: '$door', [protocol === 'udp' ? 'udp' : 'tcp']: { port: to.port } }, service === undefined ? undefined : 'nodeport')
  }
  bind.server = await bindingOf(to, client, signal)
  const isSame = from.key === to.key
  const preset = isSame ? 'same-pod' : from.kind === 'pod' || from.kind === 'deployment' ? 'pod-to-pod' : undefined
  const port = typeof to.port === 'number' ? to.port : await portOfPod(to, client, signal)
  if (protocol === 'icmp' || size !== undefined || port === undefined) return make({ to: '$server', icmp: { size: size ?? 56 } }, preset)
  return make({ to: '$server', ...(protocol === 'udp' ? { udp: { port } } : { tcp: { port } }) }, preset)
}

async function bindingOf({ kind, key }: Party, client: Client, signal: AbortSignal): Promise<Binding> {
  if (kind === 'node') return { node: key }
  if (kind === 'external') return { external: key }
  if (kind !== 'deployment') return { pod: key }
  const [namespace, name] = key.split('/') as [string, string]
  const deployment = await client.get(deployments, { namespace, name }, signal)
  const labels = Object.entries(deployment.spec?.selector?.matchLabels ?? {}).map(([label, value]) => `${label}=${value}`)
  return { select: labels.join(','), namespace }
}

/** The named port of a Pod, or its first TCP port; undefined when it names none. */
async function portOfPod({ kind, key, port: wanted }: Party, client: Client, signal: AbortSignal): Promise<number | undefined> {
  if (kind !== 'pod') return undefined
  const [namespace, name] = key.split('/') as [string, string]
  const pod = await client.get(pods, { namespace, name }, signal)
  const ports = (pod.spec?.containers ?? []).flatMap(({ ports }) => ports ?? [])
  if (wanted === undefined) return ports.find(({ protocol }) => (protocol ?? 'TCP') === 'TCP')?.containerPort
  const found = ports.find(port => port.name === wanted)
  if (found !== undefined) return found.containerPort
  throw new PodwireError(
    'NOT_FOUND',
    `pod ${key} has no port named ${wanted}; it has ${ports.map(port => port.name ?? port.containerPort).join(', ') || 'none'}`,
  )
}

async function serviceOfNodePort(nodePort: number, client: Client, signal: AbortSignal): Promise<Binding | undefined> {
  const { items } = await client.list(services, {}, signal)
  for (const { metadata, spec } of items) {
    const port = (spec?.ports ?? []).find(each => each.nodePort === nodePort)
    if (port !== undefined) return { service: `${metadata?.namespace}/${metadata?.name}`, port: port.name ?? port.port }
  }
  return undefined
}
