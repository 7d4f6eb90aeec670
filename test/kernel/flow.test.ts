/** The whole proof on real packets: two hand-made nodes, flows sent, captured, predicted and judged. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t, { type Test } from 'tap'

import type { FlowRecord, RunRecord } from '../../src/base/results/run-record.js'
import { withFlowSession } from '../../src/flow/flow-session.js'
import { followFlows } from '../../src/flow/live/follow-flows.js'
import { parseFlowFile } from '../../src/flow/parse-flow-file.js'
import { runFlows } from '../../src/flow/run-flows.js'
import { rigLab } from '../support/rig-lab.js'
import { makeTwoNodes, probeArgv } from '../support/two-nodes.js'
import { until } from '../support/until.js'

const head = (name: string): string => `apiVersion: podwire.dev/v1alpha1\nkind: FlowTest\nmetadata: {name: ${name}}\n`

const toPod = (name: string, preset: string, server: string): string => `${head(name)}spec:
  bind: {client: {pod: default/client}, server: {pod: default/${server}}}
  send: {from: $client, to: $server, tcp: {port: 8080}}
  expect: {outcome: delivered, preset: ${preset}}
`
const toService = (name: string, preset: string): string => `${head(name)}spec:
  bind: {client: {pod: default/client}, svc: {service: default/echo, port: http}, server: {endpointOf: $svc}}
  send: {from: $client, to: $svc, http: {path: /}}
  expect: {outcome: delivered, preset: ${preset}, response: {status: 200, from: $server}}
`

const direct = [
  `${head('loopback')}spec:
  bind: {client: {pod: default/client}}
  send: {from: $client, to: localhost, tcp: {port: 8080}}
  expect: {outcome: delivered, preset: same-pod, never: [{at: "client:eth0", see: {flags: SYN}, why: it never leaves the Pod}]}
`,
  toPod('same-node', 'pod-same-node', 'near'),
  toPod('cross-node', 'pod-cross-node', 'far'),
  `${head('udp')}spec:
  bind: {client: {pod: default/client}, server: {pod: default/far}}
  send: {from: $client, to: $server, udp: {port: 9001}, times: 3}
  expect: {outcome: delivered, preset: pod-to-pod, response: {from: $server, client: $client.ip}}
`,
  `${head('ping')}spec:
  bind: {client: {pod: default/client}, server: {pod: default/far}}
  send: {from: $client, to: $server, icmp: {size: 100}}
  expect: {outcome: delivered, preset: pod-cross-node}
`,
  `${head('closed-port')}spec:
  bind: {client: {pod: default/client}, server: {pod: default/far}}
  send: {from: $client, to: $server, tcp: {port: 81}}
  control: {send: {from: $client, to: $server, tcp: {port: 8080}}, outcome: delivered}
  expect:
    outcome: {rejected: {with: tcp-reset}}
    path: [{at: "client:eth0", dir: out, see: {flags: SYN}}, "...", {at: "server:eth0", dir: in, changed: [ttl, mac]}]
    reply: [{at: "server:eth0", dir: out, see: {flags: RST-ACK}}, "...", {at: "client:eth0", dir: in, see: {ttl: 62}}]
`,
]

/** Headers as we name them and as tshark does; inside a tunnel the innermost count. */
const oracleFields = {
  src: ['ip.src'],
  dst: ['ip.dst'],
  ttl: ['ip.ttl'],
  sport: ['tcp.srcport', 'udp.srcport'],
  dport: ['tcp.dstport', 'udp.dstport'],
} as const

/** tshark reads from the file what the record says of every hop: its interface and, field by field, its headers. */
function tsharkAgrees(t: Test, { flows }: RunRecord, pcapng: string): void {
  const names = ['frame.number', 'frame.interface_name', ...Object.values(oracleFields).flat(), 'vxlan.vni', 'ip.proto']
  const argv = ['-r', pcapng, '-T', 'fields', '-E', 'occurrence=l', ...names.flatMap(name => ['-e', name])]
  const { stdout, status } = spawnSync('tshark', argv, { encoding: 'utf8' })
  if (status !== 0) return
  const frames = new Map(
    stdout
      .trimEnd()
      .split('\n')
      .map(line => line.split('\t'))
      .map(cells => [cells[0], new Map(names.map((name, i) => [name, cells[i] ?? '']))] as const),
  )
  let compared = 0
  for (const { hop } of flows.flatMap(({ ladder }) => ladder)) {
    const frame = frames.get(String(hop?.frame))
    if (hop === undefined || frame === undefined) continue
    t.equal(frame.get('frame.interface_name'), `${hop.owner}/${hop.interface}`, `frame ${hop.frame} is the hop at ${hop.at}`)
    const { outer, ...headers } = hop.headers as { outer?: { vni?: number } } & Record<string, unknown>
    t.equal(frame.get('vxlan.vni'), outer?.vni === undefined ? '' : String(outer.vni), `frame ${hop.frame}: the tunnel`)
    // The last IP header is the packet's own, but for an ICMP error, which quotes another.
    if (headers.proto === 'icmp' && !/ICMP ttl/.test(hop.summary)) continue
    // Of a datagram in a tunnel the last UDP header is its own, of a segment in a tunnel the only TCP header.
    for (const [ours, theirs] of Object.entries(oracleFields)) {
      if (headers[ours] === undefined) continue
      const transport = headers.proto === 'tcp' ? theirs[0] : (theirs[1] ?? theirs[0])
      t.equal(frame.get(transport ?? ''), String(headers[ours]), `frame ${hop.frame}: ${ours}`)
      compared++
    }
  }
  t.ok(compared > 100, `${compared} fields were compared`)
}

t.test('flows on two nodes', async t => {
  const signal = AbortSignal.timeout(120_000)
  const rig = await makeTwoNodes(signal)
  t.teardown(() => rig.stop())
  const dir = t.testdir()
  const lab = rigLab(rig, dir)
  const run = async (documents: readonly string[], settleMs = 5_000): Promise<RunRecord> => {
    const batches = parseFlowFile(documents.join('---\n'), 'flows.flow.yaml').map(document => [document])
    return runFlows({ ...lab, batches, outDir: dir, probeArgv, settleMs }, signal)
  }
  const passes = (t: Test, flow: FlowRecord | undefined): void => {
    t.equal(flow?.verdict, 'pass', `${flow?.name}: ${flow?.reason ?? 'passed'}`)
    if (flow?.verdict !== 'pass')
      t.comment(
        JSON.stringify(flow?.findings, undefined, 1),
        flow?.ladder
          .map(step => `${step.leg} ${step.kind} ${step.at} ${step.dir} ${step.hop?.summary ?? step.expected} ${step.hop?.changes}`)
          .join('\n'),
      )
  }

  await t.test('between Pods', async t => {
    const record = await run(direct)
    for (const flow of record.flows) passes(t, flow)
    t.equal(record.packetsLost, 0)
    t.ok(
      record.flows.every(({ outcome, outcomeUnwatched }) => outcome === outcomeUnwatched),
      'watching changed nothing',
    )
    tsharkAgrees(t, record, join(dir, 'flows.pcapng'))
  })

  await t.test('through a Service', async t => {
    for (const [preset, pod] of [
      ['clusterip', rig.pods.near],
      ['clusterip', rig.pods.far],
      ['hairpin', rig.pods.client],
    ] as const) {
      await lab.point(pod)
      const record = await run([toService(`${preset}-${pod.name}`, preset)])
      passes(t, record.flows[0])
    }
  })

  await t.test('what others send is followed as it passes', async t => {
    await lab.point(rig.pods.far)
    const ended = new AbortController()
    const seen: FlowRecord[] = []
    await withFlowSession({ ...lab, probeArgv }, AbortSignal.any([signal, ended.signal]), async session => {
      const following = followFlows(session, flow => seen.push(flow), session.signal)
      const isSeen = () => seen.some(({ outcome, name }) => outcome === 'answered' && name === 'default/client → svc default/echo:80')
      await until('the conversation to be told', async () => {
        await rig.pods.client.host.run(['busybox', 'wget', '-qO', '/dev/null', `http://${rig.service.ip}/`], { signal })
        return isSeen()
      })
      ended.abort()
      await following
    })
    const flow = seen.find(({ outcome }) => outcome === 'answered')
    t.strictSame(Object.keys(flow?.bound ?? {}), ['client', 'server'])
    const hops = flow?.ladder.map(({ at, dir }) => `${at} ${dir}`) ?? []
    t.equal(hops[0], 'client:eth0 out')
    t.equal(hops.at(-1), 'client:eth0 in')
    t.ok(hops.includes('server:eth0 in'))
    t.ok(
      flow?.ladder.some(({ hop }) => hop?.layers?.some(({ name }) => name === 'VXLAN 1')),
      'the tunnel is among the headers',
    )
  })

  await t.test('through a node port', async t => {
    const nodePort = (door: string): string => `${head(`nodeport-${door}`)}spec:
  bind: {outside: {external: ext1}, door: {node: ${door}}, svc: {service: default/echo}, server: {endpointOf: $svc}}
  send: {from: $outside, to: $door, http: {port: 30080, path: /}}
  expect: {outcome: delivered, preset: nodeport, response: {from: $server}}
`
    await lab.point(rig.pods.near)
    for (const flow of (await run(['node-1', 'node-2'].map(nodePort))).flows) passes(t, flow)
  })

  await t.test('a Service without endpoints', async t => {
    await lab.point(undefined)
    const record = await run([
      `${head('nobody')}spec:
  bind: {client: {pod: default/client}, svc: {service: default/echo}, near: {pod: default/near}}
  send: {from: $client, to: $svc, tcp: {}}
  control: {send: {from: $client, to: $near, tcp: {port: 8080}}, outcome: delivered}
  expect: {outcome: {rejected: {with: icmp-port-unreachable}}, preset: rejected}
`,
    ])
    passes(t, record.flows[0])
  })

  await t.test('without br_netfilter the assertions say what is wrong', async t => {
    await lab.point(rig.pods.near)
    await rig.nodes['node-1'].run(['busybox', 'sysctl', '-w', 'net.bridge.bridge-nf-call-iptables=0'])
    const { flows } = await run(
      [
        `${head('clusterip-broken')}spec:
  bind: {client: {pod: default/client}, server: {pod: default/near}, svc: {service: default/echo}}
  send: {from: $client, to: $svc, tcp: {}, timeout: 500ms}
  expect:
    outcome: delivered
    path: [{at: "client:eth0", dir: out}, "...", {at: "server:eth0", dir: in, changed: [dst, dport, mac, "ttl?"]}]
    reply: [{at: "server:eth0", dir: out}, "...", {at: "client:eth0", dir: in, see: {src: $svc.ip}}]
    never: [{at: "client:eth0", dir: in, see: {src: $server.ip}, why: the reply skipped conntrack}]
`,
      ],
      0,
    )
    const [flow] = flows
    t.equal(flow?.verdict, 'fail')
    const messages = flow?.findings.map(({ message }) => message).join('\n') ?? ''
    t.match(messages, /client:eth0 in: src is 10\.244\.1\.6, not 10\.96\.0\.10/)
    t.match(messages, /must not see this packet: the reply skipped conntrack/)
    t.match(messages, /it ended timeout \(ETIMEDOUT\), not delivered/)
    t.ok(flow?.ladder.some(({ kind }) => kind === 'forbidden'))
    await rig.nodes['node-1'].run(['busybox', 'sysctl', '-w', 'net.bridge.bridge-nf-call-iptables=1'])
  })

  await t.test('without the forwarding entry of a tunnel they say where the packet ended', async t => {
    const fdb = (verb: string) =>
      rig.nodes['node-1'].run(['bridge', 'fdb', verb, '0a:58:0a:f4:02:00', 'dev', 'vxlan0', 'dst', '172.30.0.12'])
    await fdb('del')
    t.teardown(() => fdb('add'))
    const [flow] = (await run([toPod('no-fdb', 'pod-cross-node', 'far')], 0)).flows
    t.equal(flow?.verdict, 'fail')
    t.match(flow?.findings[0]?.message, 'client.node:uplink out: the packet did not come by here; it was last seen at node-1/vxlan0 out')
    const seen = flow?.ladder.filter(({ kind }) => kind === 'seen').map(({ at }) => at)
    t.strictSame(seen, ['client:eth0', 'veth(client)', 'client.node:bridge', 'client.node:vxlan'])
  })

  await t.test('where nothing works, a refusal proves nothing', async t => {
    await lab.point(rig.pods.near)
    const [flow] = (
      await run(
        [
          `${head('vacuous')}spec:
  bind: {client: {pod: default/client}, far: {pod: default/far}}
  send: {from: $client, to: $far, tcp: {port: 81}}
  control: {send: {from: $client, to: $far, tcp: {port: 82}}, outcome: delivered}
  expect: {outcome: refused}
`,
        ],
        0,
      )
    ).flows
    t.equal(flow?.verdict, 'error')
    t.match(flow?.reason, /the control \(tcp 10\.244\.2\.7:82\) ended refused, not delivered/)
  })

  await t.test('a lab of another shape is skipped, an object that is not there an error', async t => {
    const { flows } = await run(
      [
        `${head('three-nodes')}spec:
  requires: {nodes: 3}
  bind: {client: {pod: default/client}}
  send: {from: $client, to: localhost, tcp: {port: 8080}}
  expect: {outcome: delivered}
`,
        `${head('nobody')}spec:
  bind: {client: {pod: default/nobody}}
  send: {from: $client, to: localhost, tcp: {port: 8080}}
  expect: {outcome: delivered}
`,
      ],
      0,
    )
    t.match(flows[0], { verdict: 'skip', reason: 'it needs 3 nodes; the lab has 2' })
    t.match(flows[1], { verdict: 'error', reason: /NOT_FOUND/ })
  })
})
