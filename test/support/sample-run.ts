import type { FlowRecord, HopRecord, LadderStep, RunRecord } from '../../src/base/results/run-record.js'

/** A hop in few words. */
interface Seen {
  readonly at: string
  readonly dir: 'in' | 'out'
  readonly host: string
  readonly owner?: string
  readonly interface: string
  readonly summary: string
  readonly changes?: readonly string[]
}

/** Steps that were seen, one after the other, 20 µs apart. */
export function seenSteps(leg: LadderStep['leg'], firstFrame: number, hops: readonly Seen[]): LadderStep[] {
  return hops.map((seen, i) => {
    const hop: HopRecord = {
      ...seen,
      owner: seen.owner ?? seen.host,
      timeNs: String(1_790_000_000_000_000_000n + BigInt((firstFrame + i) * 20_000)),
      frame: firstFrame + i,
      changes: [...(seen.changes ?? [])],
      headers: {},
    }
    return { kind: 'seen', leg, at: seen.at, dir: seen.dir, hop }
  })
}

const client = { host: 'node-1', owner: 'shop/client' }
const server = { host: 'node-2', owner: 'shop/web-7d4b9c6f5-x2x9z' }

const there = (dst: string, ttl: number) => `10.244.1.5:41234 → ${dst} TCP SYN ttl ${ttl}`
const back = (src: string, ttl: number) => `${src} → 10.244.1.5:41234 TCP SYN,ACK ttl ${ttl}`
const service = '10.96.12.7:80'
const pod = '10.244.2.9:8080'

/** A ClusterIP answered by a Pod of another node, over VXLAN. */
export const crossNodeLadder: readonly LadderStep[] = [
  ...seenSteps('path', 1, [
    { ...client, at: 'client:eth0', dir: 'out', interface: 'eth0', summary: there(service, 64) },
    { host: 'node-1', at: 'client.node:veth', dir: 'in', interface: 'veth1a2b3c4d', summary: there(service, 64) },
    {
      host: 'node-1',
      at: 'client.node:bridge',
      dir: 'in',
      interface: 'cni0',
      summary: there(pod, 64),
      changes: [`dst ${service} → ${pod}`],
    },
    { host: 'node-1', at: 'client.node:vxlan', dir: 'out', interface: 'vxlan0', summary: there(pod, 63), changes: ['ttl 64 → 63', 'mac'] },
    { host: 'node-1', at: 'client.node:uplink', dir: 'out', interface: 'eth0', summary: there(pod, 63), changes: ['+VXLAN vni 1'] },
    { host: 'node-2', at: 'server.node:uplink', dir: 'in', interface: 'eth0', summary: there(pod, 63) },
    { host: 'node-2', at: 'server.node:vxlan', dir: 'in', interface: 'vxlan0', summary: there(pod, 63), changes: ['−VXLAN vni 1'] },
    {
      host: 'node-2',
      at: 'server.node:veth',
      dir: 'out',
      interface: 'veth55aa66bb',
      summary: there(pod, 62),
      changes: ['ttl 63 → 62', 'mac'],
    },
    { ...server, at: 'server:eth0', dir: 'in', interface: 'eth0', summary: there(pod, 62) },
  ]),
  ...seenSteps('reply', 20, [
    { ...server, at: 'server:eth0', dir: 'out', interface: 'eth0', summary: back(pod, 64) },
    { host: 'node-2', at: 'server.node:veth', dir: 'in', interface: 'veth55aa66bb', summary: back(pod, 64) },
    { host: 'node-2', at: 'server.node:bridge', dir: 'in', interface: 'cni0', summary: back(pod, 64) },
    { host: 'node-2', at: 'server.node:vxlan', dir: 'out', interface: 'vxlan0', summary: back(pod, 63), changes: ['ttl 64 → 63', 'mac'] },
    { host: 'node-2', at: 'server.node:uplink', dir: 'out', interface: 'eth0', summary: back(pod, 63), changes: ['+VXLAN vni 1'] },
    { host: 'node-1', at: 'client.node:uplink', dir: 'in', interface: 'eth0', summary: back(pod, 63) },
    { host: 'node-1', at: 'client.node:vxlan', dir: 'in', interface: 'vxlan0', summary: back(pod, 63), changes: ['−VXLAN vni 1'] },
    {
      host: 'node-1',
      at: 'client.node:veth',
      dir: 'out',
      interface: 'veth1a2b3c4d',
      summary: back(service, 62),
      changes: [`src ${pod} → ${service}`, 'ttl 63 → 62', 'mac'],
    },
    { ...client, at: 'client:eth0', dir: 'in', interface: 'eth0', summary: back(service, 62) },
  ]),
]

const base: Omit<FlowRecord, 'name' | 'verdict' | 'ladder'> = {
  file: 'flows/clusterip.flow.yaml',
  durationMs: 41.5,
  bound: {
    client: 'pod shop/client (10.244.1.5 on node-1)',
    server: 'pod shop/web-7d4b9c6f5-x2x9z (10.244.2.9 on node-2)',
    svc: 'service shop/web port 80 (10.96.12.7)',
  },
  sent: 'client → svc, HTTP GET /',
  outcome: 'delivered',
  conntrack: [],
  findings: [],
}

const failed: FlowRecord = {
  ...base,
  name: 'clusterip-reply-skips-conntrack',
  verdict: 'fail',
  outcome: 'timeout',
  ladder: [
    ...crossNodeLadder.slice(0, 6),
    { kind: 'missing', leg: 'path', at: 'server.node:vxlan', dir: 'in', expected: '10.244.1.5:41234 → 10.244.2.9:8080 decapsulated' },
    { kind: 'missing', leg: 'path', at: 'server:eth0', dir: 'in', expected: 'dst 10.244.2.9:8080 ttl 62' },
    { ...crossNodeLadder[17]!, kind: 'forbidden' },
  ],
  findings: [
    {
      severity: 'fail',
      message: 'The packet did not arrive at server.node:vxlan.',
      where: 'flows/clusterip.flow.yaml:14:7',
      nearest: 'node-2 eth0 in: 172.30.0.11 → 172.30.0.12 UDP 4789 bad checksum',
      frame: 6,
      why: 'the outer UDP checksum is wrong <offload & co.>',
    },
  ],
  outcomeUnwatched: 'delivered',
}

/** One flow of each verdict. */
export const sampleRun: RunRecord = {
  format: 'podwire.dev/run/v1',
  startedAt: '2026-01-02T03:04:05.678Z',
  durationMs: 8_123,
  lab: { name: 'sample', substrate: 'netns', datapath: 'vxlan', proxy: 'iptables', nodes: ['node-1', 'node-2', 'node-3'] },
  machine: { kernel: '6.18.0', node: '20.20.2', cpus: 2 },
  pcapng: 'flows.pcapng',
  packetsLost: 0,
  flows: [
    {
      ...base,
      name: 'clusterip-other-node',
      description: 'A ClusterIP answered by a Pod of another node: translated once, carried by VXLAN, and the answer translated back.',
      verdict: 'pass',
      outcomeUnwatched: 'delivered',
      ladder: [...crossNodeLadder],
      conntrack: [
        {
          host: 'node-1',
          protocol: 'tcp',
          orig: { src: '10.244.1.5', dst: '10.96.12.7', sport: 41234, dport: 80 },
          reply: { src: '10.244.2.9', dst: '10.244.1.5', sport: 8080, dport: 41234 },
          state: 'ASSURED',
          nat: ['dnat'],
          madeBy: '-A KUBE-SEP-0F00 -p tcp -j DNAT --to-destination 10.244.2.9:8080',
        },
      ],
    },
    failed,
    {
      ...base,
      name: 'policy-deny',
      verdict: 'skip',
      reason: 'the lab enforces no network policy',
      ladder: [],
      outcome: 'not sent',
    },
    { ...base, name: 'capture-dead', verdict: 'error', reason: 'the capture on node-3 was not proven alive', ladder: [] },
  ],
}
