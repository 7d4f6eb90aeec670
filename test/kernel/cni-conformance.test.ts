import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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

const route = [{ dst: '0.0.0.0/0' }]

/** What our network, which gives interfaces and declares no portMappings, has no use for. */
const notApplicable = ['add/addresses-only', 'capability/portmappings', 'capability/portmappings-check']

function passesAll(t: Test, outcomes: readonly CaseOutcome[]): void {
  for (const { id, verdict, findings } of outcomes) if (verdict !== 'skip') t.equal(verdict, 'pass', `${id} ${findings.join('; ')}`)
}

/** Our plugin by the forwarder and an agent: every case that applies passes, these do not apply. */
async function proveByAgent(t: Test, subjectIn: (dir: string) => Subject, skipped: readonly string[]): Promise<void> {
  const dir = folder(t)
  const node = createNetns()
  t.teardown(() => node.close())
  const rtnetlink = withNetns(node.path, openRtnetlink)
  t.teardown(() => rtnetlink.close())
  const datapath = podInterfaces({ enter: fn => withNetns(node.path, fn), rtnetlink })
  const socket = join(dir, 'cni.sock')
  const server = await startForwardServer(socket, createCniPlugin({ datapath, run: localMachine.enter(node.path).run }))
  t.teardown(() => server.close())
  const subject = { ...subjectIn(dir), env: { PODWIRE_CNI_SOCKET: socket } }
  const outcomes = await runConformance({ subject, netnsPath: node.path }, signal)
  passesAll(t, outcomes)
  t.strictSame(idsOf(outcomes, 'skip'), skipped)
}

/** The example's network with other settings. */
const changed = (dir: string, settings: object): Subject => {
  const subject = ours(join(dir, 'state'))
  const { bridge: _, ranges: __, ...plugin } = subject.list.plugins[0]
  return { ...subject, list: { ...subject.list, plugins: [{ ...plugin, ...settings }] } }
}

t.test('our plugin by the forwarder and the agent keeps every rule', t => proveByAgent(t, dir => ours(join(dir, 'state')), notApplicable))

t.test('so it does where the node routes to each Pod', t => {
  const ranges = ['10.88.0.0/29', 'fd00:10:88::/125']
  return proveByAgent(t, dir => changed(dir, { datapath: 'routed', ranges }), notApplicable)
})

t.test("so it does where another plugin gives the addresses: Debian's, taught the newest version", t => {
  const capabilities = { mac: true, dns: true }
  const subjectIn = (dir: string): Subject => {
    const plugins = join(dir, 'plugins')
    mkdirSync(plugins)
    writeFileSync(join(plugins, 'host-local-1.1'), newestHostLocal(join(dir, 'addresses', example.name)), { mode: 0o755 })
    const ipam = { type: 'host-local-1.1', dataDir: join(dir, 'addresses'), ranges: [[{ subnet: '10.88.1.0/29' }]], routes: route }
    return { ...changed(dir, { bridge: 'cni0', ipam, capabilities }), path: [plugins] }
  }
  const skipped = ['environment/path-is-optional', 'add/addresses-only', 'capability/ips', 'capability/portmappings']
  return proveByAgent(t, subjectIn, [...skipped, 'capability/portmappings-check'])
})

/** Knows GC by name only: what it holds is freed by the DELs that ours calls before. */
const newestHostLocal = (files: string): string => `#!/bin/sh
case $CNI_COMMAND in
VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["0.3.1","0.4.0","1.0.0","1.1.0"]}' ;;
GC) exit 0 ;;
STATUS) if [ "$(ls ${files} | grep -c '^10')" -ge 5 ]; then echo '{"code":50,"msg":"full"}'; exit 1; fi ;;
*) sed 's/"cniVersion":"1.1.0"/"cniVersion":"1.0.0"/' | /usr/lib/cni/host-local ;;
esac
`

t.test('our plugin by itself keeps every rule', async t => {
  const env = { PODWIRE_CNI_SOCKET: '/nowhere/cni.sock' }
  // Each call costs a start of Node.js; what these cases leave out is the same code as above, before and behind it.
  const only = ['add/kernel-agrees', 'check/after-add', 'del/leaves-nothing', 'del/vanished', 'gc/removes', 'status/ready']
  const outcomes = await runConformance({ subject: { ...ours(folder(t)), env }, only }, signal)
  passesAll(t, outcomes)
  t.equal(outcomes.length, only.length)
})
