import type { Pod, Service } from '../../src/api/generated/types.js'
import { decodePacket } from '../../src/base/net/decode-packet.js'
import { linkTypes } from '../../src/base/net/packet.js'
import type { Place } from '../../src/base/net/path.js'
import type { BoundPod } from '../../src/flow/bound.js'
import type { HostFacts, InterfaceFacts } from '../../src/flow/lab-facts.js'
import type { LabSnapshot } from '../../src/flow/live/watch-lab.js'
import { headersOf, type Sighting } from '../../src/flow/trace.js'
import { echoHost } from './fake-parts.js'
import { ethernet, ipv4, tcp, udp, vxlan } from './frames.js'

const port = (name: string, changes: Partial<InterfaceFacts> = {}): InterfaceFacts => ({
  name,
  mac: '0a:58:00:00:00:01',
  addresses: [],
  vni: undefined,
  kind: undefined,
  mtu: 1500,
  ...changes,
})

function node(n: 1 | 2): HostFacts {
  const name = `node-${n}`
  const uplink = port('eth0')
  return {
    name,
    role: 'node',
    address: `172.30.0.1${n}`,
    tunnelAddress: `172.30.0.1${n}`,
    host: echoHost(name),
    uplink,
    uplinks: [uplink],
    segment: '172.30.0.0/24',
    bridge: port('cni0', { mtu: 1450 }),
    vxlan: port('vxlan0', { mtu: 1450, vni: 1, kind: 'vxlan' }),
    isBridgeFiltered: n === 1,
    attachments: [],
  }
}

const bound = (key: string, on: 1 | 2, ip: string): BoundPod => ({
  kind: 'pod',
  key,
  node: `node-${on}`,
  ip,
  mac: '0a:58:00:00:00:02',
  veth: `veth${ip.split('.')[3]}`,
  host: echoHost(key),
})

const podObject = ({ key, node, ip }: BoundPod): Pod => {
  const [namespace = '', name = ''] = key.split('/')
  return {
    metadata: { namespace, name },
    spec: { nodeName: node, containers: [] },
    status: { podIP: ip, conditions: [{ type: 'Ready', status: 'True' }] },
  }
}

const serviceObject: Service = {
  metadata: { namespace: 'shop', name: 'web' },
  spec: { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ports: [{ port: 80 }] },
}

/** Two nodes with a client, a server and a Pod of another namespace, as a look at a lab finds them. */
export function liveSnapshot(): LabSnapshot {
  const pods = [bound('shop/client', 1, '10.244.1.5'), bound('shop/web-1', 2, '10.244.2.7'), bound('bank/vault', 2, '10.244.2.8')]
  const names = new Map([...pods.map(({ ip, key }) => [ip, key] as const), ['10.96.0.10', 'svc shop/web'] as const])
  const hosts = new Map([node(1), node(2)].map(host => [host.name, host]))
  return {
    facts: { family: 4, hosts, datapath: 'vxlan', proxy: 'iptables', masqueradeAll: false },
    pods: new Map(pods.map(pod => [pod.key, pod])),
    nameOf: address => names.get(address),
    podObjects: pods.map(podObject),
    serviceObjects: [serviceObject],
  }
}

interface Passing {
  readonly owner: string
  readonly host: string
  readonly interface: string
  readonly dir: 'in' | 'out'
  readonly place: Place | undefined
  readonly frame: Uint8Array
}

const inPod = (owner: string, host: string, dir: 'in' | 'out', frame: Uint8Array): Passing => ({
  owner,
  host,
  interface: 'eth0',
  dir,
  place: { owner, ownerKind: 'pod', port: 'eth0' },
  frame,
})
const onHost = (host: string, name: string, role: Place['port'], dir: 'in' | 'out', frame: Uint8Array): Passing => ({
  owner: host,
  host,
  interface: name,
  dir,
  place: { owner: host, ownerKind: 'host', port: role },
  frame,
})

interface Segment {
  readonly src: string
  readonly dst: string
  readonly sport: number
  readonly dport: number
  readonly seq: number
  readonly ack?: number
  readonly flags: number
}
const segment = ({ src, dst, ...header }: Segment): Uint8Array => ethernet({}, ipv4({ protocol: 6, src, dst }, tcp(header)))
const tunnelled = (inner: Uint8Array): Uint8Array =>
  ethernet({}, ipv4({ protocol: 17, src: '172.30.0.11', dst: '172.30.0.12' }, udp({ dport: 4789 }, vxlan({}, inner))))

/** The frames of one connection from the client to the Service, which the Pod of the other node answers, from the first to the last hop. */
export function passing(sport: number): readonly Sighting[] {
  const seq = sport * 10
  const there = { src: '10.244.1.5', sport, seq, flags: 0x02 }
  const asked = segment({ ...there, dst: '10.96.0.10', dport: 80 })
  const led = segment({ ...there, dst: '10.244.2.7', dport: 8080 })
  const back = { dst: '10.244.1.5', dport: sport, seq: 77, ack: seq + 1, flags: 0x12 }
  const fromPod = segment({ ...back, src: '10.244.2.7', sport: 8080 })
  const fromService = segment({ ...back, src: '10.96.0.10', sport: 80 })
  const hops = [
    inPod('shop/client', 'node-1', 'out', asked),
    onHost('node-1', 'cni0', 'bridge', 'in', led),
    onHost('node-1', 'vxlan0', 'vxlan', 'out', led),
    onHost('node-1', 'eth0', 'uplink', 'out', tunnelled(led)),
    onHost('node-2', 'eth0', 'uplink', 'in', tunnelled(led)),
    inPod('shop/web-1', 'node-2', 'in', led),
    inPod('shop/web-1', 'node-2', 'out', fromPod),
    inPod('shop/client', 'node-1', 'in', fromService),
  ]
  return hops.map(({ frame, ...where }, i) => {
    const packet = decodePacket(frame, linkTypes.ethernet)
    const timeNs = 1_790_000_000_000_000_000n + BigInt(sport) * 1_000_000n + BigInt(i) * 1_000n
    return { ...where, timeNs, sequence: i, frame: 0, subject: packet.vxlan?.inner ?? packet, headers: headersOf(packet) }
  })
}
