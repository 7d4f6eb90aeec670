/** Every datapath in labs as people make them: each flow between Pods by the way that it predicts, and a live cluster that changes from one to another. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'

import { RunRecord } from '../../src/base/results/run-record.js'
import { type Workplace, workplace } from '../support/podwire-command.js'
import { until } from '../support/until.js'

/** All flows between Pods pass or are skipped for what the lab has not. */
async function proveFlows(t: Test, { podwire, dir }: Workplace, kind: string, skipped: number): Promise<void> {
  const out = join(dir, kind)
  const { status, stdout, stderr } = await podwire('flow', 'test', 'flows/datapaths', '--out', out)
  t.equal(status, 0, `${kind}: ${stderr}\n${stdout}`)
  const record = RunRecord.parse(JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')))
  t.equal(record.lab.datapath, kind)
  t.equal(record.flows.filter(({ verdict }) => verdict === 'skip').length, skipped, `${kind}: skipped`)
  for (const { name, verdict } of record.flows) t.match(verdict, /^(pass|skip)$/, `${kind}: ${name}`)
}

const podAddresses = async ({ kubectl }: Workplace): Promise<string> =>
  (await kubectl('-n', 'flows', 'get', 'pods', '--sort-by=.metadata.name', '-o', 'jsonpath={.items[*].status.podIP}')).stdout

t.test('over two segments: routed, vxlan and mixed, one after the other under an open connection', async t => {
  const place = workplace(t)
  const { podwire, kubectl } = place
  const up = await podwire('up', '-f', 'examples/labs/two-segments.yaml')
  t.equal(up.status, 0, up.stderr)
  await proveFlows(t, place, 'routed', 0)
  const addresses = await podAddresses(place)
  await until('the routes in the status', async () =>
    /node-1 +router4 +Established +10\.244\.3\.0\/24/.test((await podwire('status')).stdout),
  )
  t.match((await podwire('status')).stdout, /node-3 .* Ready .* routed +nftables +on/, 'bridged packets pass iptables')

  const third = await kubectl('-n', 'flows', 'get', 'pod', '-l', 'placed=third', '-o', 'jsonpath={.items[0].status.podIP}')
  const words = `while :; do echo here; sleep 0.2; done | busybox nc ${third.stdout} 9000`
  const talk = kubectl('-n', 'flows', 'exec', 'deploy/client', '--', 'sh', '-c', words)
  const connections = () => podwire('node', 'node-1', '--', 'sh', '-c', 'for n in /run/netns/*; do nsenter --net=$n ss -Htn; done')
  await until('the connection', async () => (await connections()).stdout.includes(`${third.stdout}:9000`))

  for (const kind of ['vxlan', 'mixed', 'routed']) {
    const { status, stdout, stderr } = await podwire('set', 'cni', kind)
    t.equal(status, 0, stderr)
    t.equal(stdout, `cni: ${kind} on 3 nodes\nopen connections of Pods: 1 live on, 0 broke\n`)
    if (kind !== 'routed') await proveFlows(t, place, kind, 0)
    t.equal(await podAddresses(place), addresses, `${kind}: Pods keep their addresses`)
  }
  const refused = await podwire('set', 'cni', 'bridge')
  t.equal(refused.status, 3)
  t.match(refused.stderr, /node-\d cannot: bridge: node-\d stands on another segment/)
  await podwire('down')
  await talk
})

/** What a Pod's server says it was asked by, through a port of a node. */
async function askHostPort({ podwire }: Workplace, from: string): Promise<string> {
  const request = 'printf "GET / HTTP/1.0\\r\\n\\r\\n" | busybox nc -w 5 172.30.0.12 18080'
  return (await podwire('node', from, '--', 'sh', '-c', request)).stdout
}

t.test('one flat segment of both families; a port of the node leads to a Pod, whose packets are held to a rate', async t => {
  const place = workplace(t)
  const { podwire, kubectl } = place
  t.equal((await podwire('up', '-f', 'examples/labs/dual-stack.yaml')).status, 0)
  t.equal((await kubectl('apply', '-f', 'examples/host-port')).status, 0)
  const ready = await kubectl('wait', '--for=condition=Ready', 'pod/limited', '--timeout=60s')
  t.equal(ready.status, 0, ready.stderr)
  t.match(
    await askHostPort(place, 'ext1'),
    /"pod":"limited".*"client":\{"address":"172\.30\.0\.101"/,
    'from outside, under its own address',
  )
  const qdiscs = async () => (await podwire('node', 'node-2', '--', 'tc', 'qdisc', 'show')).stdout
  t.match(await qdiscs(), /tbf 1: dev veth\w+ root .* rate 20Mbit/, 'what the Pod receives')
  t.match(await qdiscs(), /tbf 1: dev bwp\w+ root .* rate 10Mbit/, 'what the Pod sends')

  t.equal((await podwire('set', 'cni', 'bridge')).status, 0)
  t.match(await askHostPort(place, 'node-1'), /"pod":"limited"/, 'from another node, over another datapath')
  await proveFlows(t, place, 'bridge', 12)
  const verified = await podwire('verify', '-6', '-n', 'flows', '--out', join(place.dir, 'verify'))
  t.match(verified.stdout, /\npairs: \d\d as predicted, 0 not, in /, verified.stderr)

  t.equal((await kubectl('delete', 'pod', 'limited')).status, 0)
  await until('nothing of it on the node', async () => {
    const rules = await podwire('node', 'node-2', '--', 'iptables-save', '-t', 'nat')
    return !rules.stdout.includes('18080') && !(await qdiscs()).includes('tbf')
  })
})
