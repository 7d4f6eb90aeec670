import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'

import { startForwardServer } from '../../src/cni/forward-server.js'
import { createCniPlugin } from '../../src/cni/plugin.js'
import { podInterfaces } from '../../src/cni/pod-interface.js'
import { type CaseOutcome, runConformance } from '../../src/cni-conformance/run-conformance.js'
import { parseNetworkList, type Subject } from '../../src/cni-conformance/subject.js'
import { builtProgram } from '../../src/kernel/built-program.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { openRtnetlink } from '../../src/kernel/netlink-rtnetlink.js'
import { createNetns, withNetns } from '../../src/kernel/netns.js'
import { type DebianPlugin, debianPlugins, knownViolations } from '../suites/cni-violations.js'

const signal = AbortSignal.timeout(110_000)
const example = parseNetworkList(readFileSync('examples/cni/bridge.conflist', 'utf8'), 'bridge.conflist')

const folder = (test: Test): string => {
  const dir = mkdtempSync(join(tmpdir(), 'podwire-conf-'))
  test.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** The example's network, small enough to be filled quickly, with its state in a folder of its own. */
function ours(stateDir: string): Subject {
  const [plugin] = example.plugins
  const conf = { ...plugin, stateDir, ranges: ['10.88.0.0/29', 'fd00:10:88::/125'] }
  return { file: builtProgram('cni-forward'), list: { ...example, plugins: [conf] } }
}

const idsOf = (outcomes: readonly CaseOutcome[], ...verdicts: readonly CaseOutcome['verdict'][]): readonly string[] =>
  outcomes.filter(({ verdict }) => verdicts.includes(verdict)).map(({ id }) => id)

/** What our network, which gives interfaces and declares no portMappings, has no use for. */
const notApplicable = ['add/addresses-only', 'capability/portmappings', 'capability/portmappings-check']

function passesAll(t: Test, outcomes: readonly CaseOutcome[]): void {
  for (const { id, verdict, findings } of outcomes) if (verdict !== 'skip') t.equal(verdict, 'pass', `${id} ${findings.join('; ')}`)
}

t.test('our plugin by the forwarder and the agent keeps every rule', async t => {
  const dir = folder(t)
  const node = createNetns()
  t.teardown(() => node.close())
  const rtnetlink = withNetns(node.path, openRtnetlink)
  t.teardown(() => rtnetlink.close())
  const datapath = podInterfaces({ enter: fn => withNetns(node.path, fn), rtnetlink })
  const socket = join(dir, 'cni.sock')
  const server = await startForwardServer(socket, createCniPlugin({ datapath, run: localMachine.enter(node.path).run }))
  t.teardown(() => server.close())
  const subject = { ...ours(join(dir, 'state')), env: { PODWIRE_CNI_SOCKET: socket } }
  const outcomes = await runConformance({ subject, netnsPath: node.path }, signal)
  passesAll(t, outcomes)
  t.strictSame(idsOf(outcomes, 'skip'), notApplicable)
})

t.test('our plugin by itself keeps every rule', async t => {
  const env = { PODWIRE_CNI_SOCKET: '/nowhere/cni.sock' }
  // Each call costs a start of Node.js; what these cases leave out is the same code as above, before and behind it.
  const only = ['add/kernel-agrees', 'check/after-add', 'del/leaves-nothing', 'del/vanished', 'gc/removes', 'status/ready']
  const outcomes = await runConformance({ subject: { ...ours(folder(t)), env }, only }, signal)
  passesAll(t, outcomes)
  t.equal(outcomes.length, only.length)
})

const route = [{ dst: '0.0.0.0/0' }]
const confs: Readonly<Record<DebianPlugin, (ipam: object) => readonly object[]>> = {
  bridge: ipam => [{ type: 'bridge', bridge: 'cnit0', isGateway: true, ipMasq: true, capabilities: { mac: true, ips: true }, ipam }],
  ptp: ipam => [{ type: 'ptp', ipMasq: true, capabilities: { ips: true }, ipam }],
  'host-local': ipam => [{ type: 'host-local', capabilities: { ips: true }, ipam }],
  portmap: ipam => [
    { type: 'bridge', bridge: 'cnit0', isGateway: true, ipam },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
}

for (const plugin of debianPlugins) {
  t.test(`Debian's ${plugin} breaks exactly the rules that it is known to break`, async t => {
    const ipam = { type: 'host-local', dataDir: folder(t), ranges: [[{ subnet: '10.88.1.0/29' }]], routes: route }
    const text = JSON.stringify({ cniVersion: '1.0.0', name: `debian-${plugin}`, plugins: confs[plugin](ipam) })
    const subject = { file: `/usr/lib/cni/${plugin}`, list: parseNetworkList(text, plugin) }
    const outcomes = await runConformance({ subject }, signal)
    const broken = outcomes.filter(({ verdict }) => verdict === 'fail' || verdict === 'error')
    for (const { id, findings } of broken) t.comment(`${id}: ${findings.join('; ')}`)
    t.strictSame(
      broken.map(({ id }) => id),
      Object.keys(knownViolations[plugin]),
    )
    t.ok(idsOf(outcomes, 'pass').length > 25)
  })
}
