import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'

import { type ConformanceNode, openNode } from '../../src/cni-conformance/rig.js'
import type { PluginConf } from '../../src/cni-conformance/subject.js'
import { builtProgram } from '../../src/kernel/built-program.js'
import { createNetns, withNetns } from '../../src/kernel/netns.js'
import { runIn } from '../support/cni-nodes.js'

const signal = AbortSignal.timeout(100_000)
const runtimeConfig = {
  portMappings: [{ hostPort: 18_080, containerPort: 80, protocol: 'tcp' }],
  bandwidth: { ingressRate: 20_000_000, ingressBurst: 1_000_000, egressRate: 10_000_000, egressBurst: 1_000_000 },
}

/** The reference plugins that change what another has made. */
const portmap = { type: 'portmap', snat: true, capabilities: { portMappings: true } }
const bandwidth = { type: 'bandwidth', capabilities: { bandwidth: true } }
const tuning = { type: 'tuning', sysctl: { 'net.core.somaxconn': '511' }, mtu: 1300, mac: '02:00:00:00:05:11' }
const firewall = { type: 'firewall', backend: 'iptables' }

function place(t: Test): { readonly dir: string; readonly node: ConformanceNode; readonly netns: ReturnType<typeof createNetns> } {
  const dir = mkdtempSync(join(tmpdir(), 'podwire-chain-'))
  const netns = createNetns()
  const node = openNode({ netnsPath: netns.path })
  t.teardown(() => {
    node.close()
    netns.close()
    rmSync(dir, { recursive: true, force: true })
  })
  return { dir, node, netns }
}

const ours = (stateDir: string, ranges = ['10.88.0.0/28']): PluginConf => ({ type: 'podwire', bridge: 'cni0', ranges, stateDir })

const subjectOf = (plugins: readonly [PluginConf, ...PluginConf[]]) => ({
  file: builtProgram('podwire-cni'),
  list: { cniVersion: '1.0.0', name: 'chain', plugins },
  path: ['/usr/lib/cni'],
})

const versions = ['1.0.0'] as const

t.test('behind ours each of them finds what it needs, CHECK accepts what it changes, and DEL leaves nothing of any', async t => {
  const { dir, node, netns } = place(t)
  const rig = await node.openRig({ subject: subjectOf([ours(join(dir, 'state')), bandwidth, tuning, firewall, portmap]), versions, signal })
  t.teardown(() => rig.close())
  // Chains and the bridge that are made once for all stay.
  const first = rig.newContainer().attachment()
  await rig.add(first, runtimeConfig)
  await rig.runner.del(first)
  const shared = new Set(await rig.leaks())

  const pod = rig.newContainer()
  const result = await rig.add(pod.attachment(), runtimeConfig)
  t.match(
    result.interfaces.map(({ name }) => name),
    ['cni0', /^veth/, 'eth0', /^bwp/],
    'each adds to the result, none loses what was in it',
  )
  const on = (...argv: [string, ...string[]]) => runIn(netns, ...argv)
  t.match(on('tc', 'qdisc', 'show'), /tbf .* root .* rate 20Mbit/)
  t.match(on('tc', 'qdisc', 'show'), /tbf .* root .* rate 10Mbit/)
  t.match(on('iptables-save', '-t', 'nat'), /--dport 18080 -j DNAT --to-destination 10\.88\.0\.\d+:80/)
  t.match(on('iptables-save', '-t', 'filter'), /-A CNI-FORWARD -s 10\.88\.0\.\d+\/32 -j ACCEPT/)
  t.match(runIn(pod.netns, 'ip', 'link', 'show', 'eth0'), /mtu 1300 .*02:00:00:00:05:11/s)
  t.equal(runIn(pod.netns, 'sysctl', '-n', 'net.core.somaxconn').trim(), '511')
  // Only the last refuses, and for its own mistake: it looks for rules of IPv6 where there are none to be.
  t.match((await rig.runner.check(pod.attachment())).json, { msg: /^could not check ipv6 dnat: / })

  const gone = await rig.runner.del(pod.attachment())
  t.equal(gone.exitCode, 0, gone.stdout)
  t.strictSame(
    (await rig.leaks()).filter(line => !shared.has(line)),
    [],
  )
})

t.test('after all of them: ours hands on what they made, and takes only its own away', async t => {
  const { dir, node, netns } = place(t)
  const ipam = { type: 'host-local', dataDir: join(dir, 'host-local'), ranges: [[{ subnet: '10.89.0.0/28' }]] }
  const theirs = await node.openRig({
    subject: subjectOf([{ type: 'bridge', bridge: 'br-theirs', isGateway: true, ipam }, portmap, bandwidth, tuning, firewall]),
    versions,
    signal,
  })
  t.teardown(() => theirs.close())
  const pod = theirs.newContainer()
  const before = await theirs.add(pod.attachment(), runtimeConfig)
  const rules = withNetns(netns.path, () => runIn(netns, 'iptables-save', '-t', 'nat').match(/^-A .*$/gm))

  const rig = await node.openRig({ subject: subjectOf([ours(join(dir, 'state'))]), versions, signal })
  t.teardown(() => rig.close())
  const second = pod.attachment('net1')
  const answer = await rig.runner.call('ADD', second, { conf: { prevResult: before } })
  t.equal(answer.exitCode, 0, answer.stdout)
  const after = answer.json as typeof before
  t.strictSame(after.interfaces.slice(0, before.interfaces.length), before.interfaces, 'their interfaces stand where they stood')
  t.strictSame(after.ips.slice(0, before.ips.length), before.ips)
  t.strictSame(
    after.ips.slice(before.ips.length).map(({ interface: index }) => after.interfaces[index ?? -1]?.name),
    ['net1'],
    'our address points at our interface, behind theirs',
  )
  const checked = await rig.runner.check(second, after)
  t.equal(checked.exitCode, 0, checked.stdout)
  t.equal((await rig.runner.del(second)).exitCode, 0)
  t.notOk(pod.inside(rt => rt.link('net1')))
  t.ok(pod.inside(rt => rt.link('eth0')))
  t.strictSame(runIn(netns, 'iptables-save', '-t', 'nat').match(/^-A .*$/gm), rules)
})

t.test('behind ours portmap serves both families', async t => {
  const { dir, node, netns } = place(t)
  const both = ours(join(dir, 'state'), ['10.88.0.0/28', 'fd00:10:88::/124'])
  const rig = await node.openRig({ subject: subjectOf([both, portmap]), versions, signal })
  t.teardown(() => rig.close())
  const pod = rig.newContainer().attachment()
  const result = await rig.add(pod, runtimeConfig)
  t.equal(result.ips.length, 2)
  t.match(runIn(netns, 'ip6tables-save', '-t', 'nat'), /--dport 18080 -j DNAT --to-destination \[fd00:10:88::\w+\]:80/)
  t.equal((await rig.runner.call('CHECK', pod, { conf: { prevResult: result } })).exitCode, 0, 'ours finds everything')
})
