import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseIp } from '../../src/base/net/address.js'
import type { PodInterface } from '../../src/cni/datapath.js'
import { createCniPlugin } from '../../src/cni/plugin.js'
import { ensurePodBridge } from '../../src/cni/pod-bridge.js'
import { podInterfaces } from '../../src/cni/pod-interface.js'
import type { CniCommand } from '../../src/cni/request.js'
import { builtProgram } from '../../src/kernel/built-program.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { openRtnetlink } from '../../src/kernel/netlink-rtnetlink.js'
import { createNetns, type NetnsHandle, withNetns } from '../../src/kernel/netns.js'
import type { Rtnetlink } from '../../src/kernel/rtnetlink.js'
import { type CniContainer, cniEnv } from '../support/cni-nodes.js'

/** A node whose Pods have five addresses of each family, four of them taken for good. */
async function crowdedNode(t: Test, isRouted: boolean) {
  const stateDir = mkdtempSync(join(tmpdir(), 'podwire-killed-'))
  const node = createNetns()
  const rtnetlink = withNetns(node.path, openRtnetlink)
  const namespaces: NetnsHandle[] = []
  t.teardown(() => {
    rtnetlink.close()
    for (const netns of [node, ...namespaces]) netns.close()
    rmSync(stateDir, { recursive: true, force: true })
  })
  const way = isRouted ? { datapath: 'routed' } : { datapath: 'bridge', bridge: 'cni0' }
  const conf = { cniVersion: '1.1.0', name: 'killed', type: 'podwire', ...way, ranges: ['10.88.0.0/29', 'fd00:10:88::/125'], stateDir }
  const plugin = createCniPlugin({
    datapath: podInterfaces({ enter: fn => withNetns(node.path, fn), rtnetlink }),
    run: localMachine.enter(node.path).run,
  })
  let count = 0
  const newPod = (): CniContainer => {
    const netns = createNetns()
    namespaces.push(netns)
    return { id: `pod${++count}`, netns, pod: `shop/pod${count}` }
  }
  /** By the agent. */
  const call = async (command: CniCommand, pod: CniContainer | undefined, extra: object = {}) => {
    const env = pod === undefined ? { CNI_COMMAND: command } : cniEnv(command, pod)
    const { status, stdout } = await plugin({ env, stdin: JSON.stringify({ ...conf, ...extra }) })
    if (status !== 0) throw new Error(`${command} ${pod?.id}: ${stdout}`)
    return stdout
  }
  /** By the plugin as a process of its own, which is killed before that step; 0: not at all. */
  const callAndKill = (command: CniCommand, pod: CniContainer, step: number) =>
    new Promise<{ readonly isKilled: boolean; readonly steps: number }>((resolve, reject) => {
      const argv = ['--import', './test/support/kill-at-step.mjs', builtProgram('cni.js')]
      const env = { ...cniEnv(command, pod), KILL_AT_STEP: `${step}` }
      const child = withNetns(node.path, () => spawn(process.execPath, argv, { env, stdio: ['pipe', 'pipe', 'pipe'] }))
      let [out, words] = ['', '']
      child.stdout.on('data', data => {
        out += data
      })
      child.stderr.on('data', data => {
        words += data
      })
      child.stdin.end(JSON.stringify(conf))
      child.on('close', (code, signal) => {
        if (signal === null && code !== 0) return reject(new Error(`${command}: ${out}${words}`))
        resolve({ isKilled: signal === 'SIGKILL', steps: Number(/steps: (\d+)/.exec(words)?.[1]) })
      })
    })
  const addressesIn = ({ netns }: CniContainer): readonly string[] => {
    const inside = withNetns(netns.path, openRtnetlink)
    const found = inside.addresses().filter(({ scope }) => scope === 'global' || scope === undefined)
    inside.close()
    return found.map(({ cidr }) => cidr)
  }
  const held = () => readdirSync(join(stateDir, 'ipam')).filter(name => !name.startsWith('last-')).length
  const links = () => rtnetlink.links().map(({ name }) => name)

  const settled = Array.from({ length: 4 }, newPod)
  for (const pod of settled) await call('ADD', pod)
  return { conf, call, callAndKill, newPod, addressesIn, held, links, settled }
}

for (const way of ['bridged', 'routed'] as const) {
  t.test(`${way} Pods: whatever step ADD or DEL dies before, no address is lost and none is given twice`, async t => {
    const { call, callAndKill, newPod, addressesIn, held, links, settled } = await crowdedNode(t, way === 'routed')
    const [taken, before] = [held(), links()]

    const counted = newPod()
    const { steps: addSteps } = await callAndKill('ADD', counted, 0)
    const { steps: delSteps } = await callAndKill('DEL', counted, 0)
    t.ok(addSteps > 15, `ADD has ${addSteps} steps`)
    t.ok(delSteps > 3, `DEL has ${delSteps} steps`)

    const table = [
      ...Array.from({ length: addSteps }, (_, i) => ({ command: 'ADD' as const, step: i + 1 })),
      ...Array.from({ length: delSteps }, (_, i) => ({ command: 'DEL' as const, step: i + 1 })),
    ]
    // Routed Pods differ in what the kernel is told: every third step shows it.
    for (const { command, step } of way === 'bridged' ? table : table.filter((_, i) => i % 3 === 0)) {
      const name = `${command} killed before step ${step}`
      const victim = newPod()
      if (command === 'DEL') await call('ADD', victim)
      const { isKilled } = await callAndKill(command, victim, step)
      if (!isKilled) t.fail(`${name}: it lived`)

      // There is one address, the victim's: another Pod gets it, or is refused as long as the victim may still have it.
      const next = newPod()
      await call('ADD', next).catch((error: Error) => t.match(error.message, /all 5 Pod addresses .* are in use/, name))
      const everywhere = [...settled, victim, next].flatMap(addressesIn)
      t.equal(new Set(everywhere).size, everywhere.length, `${name}: nobody else gets an address that still lives`)
      // What runtimes do about it: DEL, or GC when they have forgotten the container.
      if (step % 2 === 1) await call('DEL', victim)
      else {
        const listed = [...settled, next].map(({ id }) => ({ containerID: id, ifname: 'eth0' }))
        await call('GC', undefined, { 'cni.dev/valid-attachments': listed })
      }
      await call('DEL', next)
      await call('ADD', next)
      await call('DEL', next)
      t.strictSame({ held: held(), links: links() }, { held: taken, links: before }, `${name}: nothing is left`)
    }
  })
}

t.test('another process makes the bridge at the same moment: it is used', t => {
  const node = createNetns()
  const real = withNetns(node.path, openRtnetlink)
  t.teardown(() => {
    real.close()
    node.close()
  })
  const enter = <T>(fn: () => T): T => withNetns(node.path, fn)
  const gateway = { address: parseIp('10.88.0.2'), prefix: 24, gateway: parseIp('10.88.0.1') }
  const pod = { addresses: [gateway], mtu: 1500 } as unknown as PodInterface
  let looks = 0
  const late: Rtnetlink = {
    ...real,
    // What the other one makes is not there yet at the first look, nor is its address.
    link: name => (looks++ === 0 ? undefined : real.link(name)),
    addresses: () => [],
  }
  ensurePodBridge({ rtnetlink: real, enter }, 'cni0', pod)
  t.equal(ensurePodBridge({ rtnetlink: late, enter }, 'cni0', pod).index, real.link('cni0')?.index)
  t.end()
})
