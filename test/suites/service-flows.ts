import { type Ip, parseCidr, parseIp } from '../../src/base/net/address.js'
import type { NodeFacts } from '../../src/service-model/service-state.js'
import { testNode, testService, testSlice } from '../support/service-objects.js'

/** The places of the flows: `client`, `near` and `near2` are Pods of this node, `far` is one of another node, `outside` and `blocked` no part of the cluster. */
export const places = {
  node: parseIp('172.30.0.11'),
  client: parseIp('10.244.1.9'),
  near: parseIp('10.244.1.5'),
  near2: parseIp('10.244.1.6'),
  far: parseIp('10.244.2.7'),
  outside: parseIp('172.30.0.101'),
  blocked: parseIp('172.30.0.102'),
} as const satisfies Readonly<Record<string, Ip>>
export type PlaceName = keyof typeof places

/** A second address of the node, on another interface. */
export const secondAddress = parseIp('192.168.99.11')

/** The service proxies that run these flows. */
export type Backend = 'iptables' | 'ipvs' | 'nftables'

const node: NodeFacts = { ...testNode, address: places.node }
/** The node with each backend's defaults: nftables serves NodePorts on the primary address alone. */
export const flowNodes: Readonly<Record<Backend, NodeFacts>> = {
  iptables: node,
  ipvs: node,
  nftables: { ...node, nodePortAddresses: [parseCidr(`${places.node}/32`)] },
}

const http = (nodePort?: number) => ({ name: 'http', protocol: 'TCP', port: 80, ...(nodePort ? { nodePort } : {}) })
const bothProtocols = [
  { name: 'http', protocol: 'TCP', port: 8080 },
  { name: 'udp', protocol: 'UDP', port: 8080 },
]
const at = (...names: readonly PlaceName[]) =>
  names.map(name => ({ ip: places[name], nodeName: name === 'far' ? 'node-2' : 'node-1', conditions: { ready: true } }))

export const flowObjects = {
  services: [
    testService({
      name: 'flows/web',
      clusterIP: '10.96.0.10',
      type: 'NodePort',
      ports: [http(30080), { name: 'udp', protocol: 'UDP', port: 80, nodePort: 30080 }],
    }),
    testService({ name: 'flows/self', clusterIP: '10.96.0.11' }),
    testService({ name: 'flows/idle', clusterIP: '10.96.0.12', type: 'NodePort', ports: [http(30082)], externalIPs: ['192.0.2.12'] }),
    testService({ name: 'flows/internal', clusterIP: '10.96.0.13', internalTrafficPolicy: 'Local' }),
    testService({ name: 'flows/internal-far', clusterIP: '10.96.0.14', internalTrafficPolicy: 'Local' }),
    testService({
      name: 'flows/external',
      clusterIP: '10.96.0.15',
      type: 'NodePort',
      ports: [http(30085)],
      externalIPs: ['192.0.2.15'],
      externalTrafficPolicy: 'Local',
    }),
    testService({
      name: 'flows/external-far',
      clusterIP: '10.96.0.16',
      type: 'NodePort',
      ports: [http(30086)],
      externalIPs: ['192.0.2.16'],
      externalTrafficPolicy: 'Local',
    }),
    testService({
      name: 'flows/balanced',
      clusterIP: '10.96.0.17',
      type: 'LoadBalancer',
      ports: [http(30087)],
      ingress: [{ ip: '192.0.2.17' }, { ip: '192.0.2.18', ipMode: 'Proxy' }],
      loadBalancerSourceRanges: [`${places.outside}/32`, '10.244.0.0/16'],
    }),
    testService({ name: 'flows/leaving', clusterIP: '10.96.0.19' }),
    testService({ name: 'flows/outer', clusterIP: '10.96.0.20', externalIPs: ['192.0.2.20'] }),
  ],
  endpointSlices: [
    testSlice('flows/web', at('near', 'far'), bothProtocols),
    testSlice('flows/self', at('near')),
    testSlice('flows/internal', at('near', 'far')),
    testSlice('flows/internal-far', at('far')),
    testSlice('flows/external', at('near', 'far')),
    testSlice('flows/external-far', at('far')),
    testSlice('flows/balanced', at('near')),
    testSlice('flows/leaving', [
      { ip: places.near2, nodeName: 'node-1', conditions: { ready: false, serving: true, terminating: true } },
      { ip: places.near, nodeName: 'node-1', conditions: { ready: false, serving: false, terminating: true } },
    ]),
    testSlice('flows/outer', at('near2')),
  ],
}

/** How a connection ends: at one of these Pods, refused by the node, dropped without a word, or sent on as it is because no rule is for it. */
export type FlowOutcome = { readonly at: readonly PlaceName[]; readonly masqueraded: boolean } | 'refused' | 'dropped' | 'untouched'

export interface ServiceFlow {
  /** `localhost` is a process of the node that uses 127.0.0.1. */
  readonly from: PlaceName | 'localhost'
  readonly to: string
  readonly port: number
  readonly protocol?: 'tcp' | 'udp'
  /** Where backends differ each says what it does, and the flow's name or comment why. */
  readonly want: FlowOutcome | Readonly<Record<Backend, FlowOutcome>>
}

/** What the backend must do with the flow. */
export const wantedOf = ({ want }: ServiceFlow, backend: Backend): FlowOutcome =>
  typeof want === 'object' && 'iptables' in want ? want[backend] : want

const kept = (...at: readonly PlaceName[]): FlowOutcome => ({ at, masqueraded: false })
const masqueraded = (...at: readonly PlaceName[]): FlowOutcome => ({ at, masqueraded: true })

/** What every service proxy must do, seen from the node `node-1`. */
export const serviceFlows = {
  'a Pod to a ClusterIP': { from: 'client', to: '10.96.0.10', port: 80, want: kept('near', 'far') },
  'a Pod to a ClusterIP over UDP': { from: 'client', to: '10.96.0.10', port: 80, protocol: 'udp', want: kept('near', 'far') },
  'the node to a ClusterIP': { from: 'node', to: '10.96.0.10', port: 80, want: masqueraded('near', 'far') },
  'from outside to a ClusterIP': { from: 'outside', to: '10.96.0.10', port: 80, want: masqueraded('near', 'far') },
  'a Pod to itself through its Service': { from: 'near', to: '10.96.0.11', port: 80, want: masqueraded('near') },
  'a Pod of the same node to the Service of one Pod': { from: 'near2', to: '10.96.0.11', port: 80, want: kept('near') },
  'a Pod straight to a Pod': { from: 'client', to: places.near, port: 8080, want: kept('near') },
  // D1, D18, D2: kube-proxy's iptables has no rule for these.
  'a port the ClusterIP has not': {
    from: 'client',
    to: '10.96.0.10',
    port: 81,
    want: { iptables: 'untouched', ipvs: 'refused', nftables: 'refused' },
  },
  'the node to a port the ClusterIP has not': {
    from: 'node',
    to: '10.96.0.10',
    port: 81,
    want: { iptables: 'untouched', ipvs: 'refused', nftables: 'refused' },
  },
  'a protocol the port has not': {
    from: 'client',
    to: '10.96.0.11',
    port: 80,
    protocol: 'udp',
    want: { iptables: 'untouched', ipvs: 'refused', nftables: 'refused' },
  },
  'an address no Service has': {
    from: 'client',
    to: '10.96.0.99',
    port: 80,
    want: { iptables: 'untouched', ipvs: 'untouched', nftables: 'dropped' },
  },
  'the node to an address no Service has': {
    from: 'node',
    to: '10.96.0.99',
    port: 80,
    want: { iptables: 'untouched', ipvs: 'untouched', nftables: 'dropped' },
  },

  'no endpoints: a Pod to the ClusterIP': { from: 'client', to: '10.96.0.12', port: 80, want: 'refused' },
  'no endpoints: the node to the ClusterIP': { from: 'node', to: '10.96.0.12', port: 80, want: 'refused' },
  'no endpoints: from outside to the NodePort': { from: 'outside', to: places.node, port: 30082, want: 'refused' },
  'no endpoints: from outside to the external address': { from: 'outside', to: '192.0.2.12', port: 80, want: 'refused' },
  'no endpoints: a Pod to the NodePort': { from: 'client', to: places.node, port: 30082, want: 'refused' },
  'only endpoints that terminate: those that still serve': { from: 'client', to: '10.96.0.19', port: 80, want: kept('near2') },

  'from outside to a NodePort': { from: 'outside', to: places.node, port: 30080, want: masqueraded('near', 'far') },
  'from outside to a NodePort over UDP': {
    from: 'outside',
    to: places.node,
    port: 30080,
    protocol: 'udp',
    want: masqueraded('near', 'far'),
  },
  // D4: where no rule is for the address, the node itself refuses, for nothing listens there.
  'from outside to a NodePort on a second address': {
    from: 'outside',
    to: secondAddress,
    port: 30080,
    want: { iptables: masqueraded('near', 'far'), ipvs: masqueraded('near', 'far'), nftables: 'refused' },
  },
  'a Pod to a NodePort': { from: 'client', to: places.node, port: 30080, want: masqueraded('near', 'far') },
  'the node to its NodePort': { from: 'node', to: places.node, port: 30080, want: masqueraded('near', 'far') },
  // D3
  'the node to its NodePort on 127.0.0.1': {
    from: 'localhost',
    to: '127.0.0.1',
    port: 30080,
    want: { iptables: masqueraded('near', 'far'), ipvs: 'refused', nftables: 'refused' },
  },
  'a Pod of another node to a NodePort': { from: 'far', to: places.node, port: 30080, want: masqueraded('near', 'far') },

  'internal Local: a Pod to the ClusterIP': { from: 'client', to: '10.96.0.13', port: 80, want: kept('near') },
  'internal Local: the node to the ClusterIP': { from: 'node', to: '10.96.0.13', port: 80, want: masqueraded('near') },
  // IPVS has no way to drop: a virtual server without destinations refuses.
  'internal Local, none here: a Pod to the ClusterIP': {
    from: 'client',
    to: '10.96.0.14',
    port: 80,
    want: { iptables: 'dropped', ipvs: 'refused', nftables: 'dropped' },
  },
  'internal Local, none here: the node to the ClusterIP': {
    from: 'node',
    to: '10.96.0.14',
    port: 80,
    want: { iptables: 'dropped', ipvs: 'refused', nftables: 'dropped' },
  },

  'external Local: a Pod to the ClusterIP': { from: 'client', to: '10.96.0.15', port: 80, want: kept('near', 'far') },
  'external Local: from outside to the NodePort': { from: 'outside', to: places.node, port: 30085, want: kept('near') },
  'external Local: from outside to the external address': { from: 'outside', to: '192.0.2.15', port: 80, want: kept('near') },
  // D7: IPVS has one list of destinations for everybody, and never masquerades where the source is to be kept.
  'external Local: a Pod to the NodePort reaches all': {
    from: 'client',
    to: places.node,
    port: 30085,
    want: { iptables: kept('near', 'far'), ipvs: kept('near'), nftables: kept('near', 'far') },
  },
  'external Local: a Pod to the external address reaches all': {
    from: 'client',
    to: '192.0.2.15',
    port: 80,
    want: { iptables: kept('near', 'far'), ipvs: kept('near'), nftables: kept('near', 'far') },
  },
  'external Local: the node to the NodePort reaches all': {
    from: 'node',
    to: places.node,
    port: 30085,
    want: { iptables: masqueraded('near', 'far'), ipvs: kept('near'), nftables: masqueraded('near', 'far') },
  },
  'external Local: the node to the external address reaches all': {
    from: 'node',
    to: '192.0.2.15',
    port: 80,
    want: { iptables: masqueraded('near', 'far'), ipvs: kept('near'), nftables: masqueraded('near', 'far') },
  },
  // D5: IPVS sends them on to another node. The answer comes back only because that node's way leads by this one here.
  'external Local, none here: from outside to the NodePort': {
    from: 'outside',
    to: places.node,
    port: 30086,
    want: { iptables: 'dropped', ipvs: kept('far'), nftables: 'dropped' },
  },
  'external Local, none here: from outside to the external address': {
    from: 'outside',
    to: '192.0.2.16',
    port: 80,
    want: { iptables: 'dropped', ipvs: kept('far'), nftables: 'dropped' },
  },
  'external Local, none here: a Pod to the NodePort': { from: 'client', to: places.node, port: 30086, want: kept('far') },
  'external Local, none here: the node to the NodePort': {
    from: 'node',
    to: places.node,
    port: 30086,
    want: { iptables: masqueraded('far'), ipvs: kept('far'), nftables: masqueraded('far') },
  },

  'a load balancer, from an allowed source': { from: 'outside', to: '192.0.2.17', port: 80, want: masqueraded('near') },
  'a load balancer, from another source': { from: 'blocked', to: '192.0.2.17', port: 80, want: 'dropped' },
  'a load balancer, from an allowed Pod': { from: 'client', to: '192.0.2.17', port: 80, want: masqueraded('near') },
  'a load balancer, from the node, which is not allowed': { from: 'node', to: '192.0.2.17', port: 80, want: 'dropped' },
  'the NodePort of a load balancer, from another source': { from: 'blocked', to: places.node, port: 30087, want: masqueraded('near') },
  'the ClusterIP of a load balancer, from another source': { from: 'blocked', to: '10.96.0.17', port: 80, want: masqueraded('near') },
  'a load balancer that wants to see the packets itself': { from: 'client', to: '192.0.2.18', port: 80, want: 'untouched' },

  'from outside to an external address': { from: 'outside', to: '192.0.2.20', port: 80, want: masqueraded('near2') },
  'a Pod to an external address': { from: 'client', to: '192.0.2.20', port: 80, want: masqueraded('near2') },
  // The address is the node's own with IPVS (D13).
  'another port of an external address': {
    from: 'client',
    to: '192.0.2.20',
    port: 81,
    want: { iptables: 'untouched', ipvs: 'refused', nftables: 'untouched' },
  },
} as const satisfies Readonly<Record<string, ServiceFlow>>
