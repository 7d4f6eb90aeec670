import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'

import { PodwireError } from '../../../src/base/errors/podwire-error.js'
import type { PodInterface } from '../../../src/cni/datapath.js'
import { createCniPlugin } from '../../../src/cni/plugin.js'
import type { PodDatapath } from '../../../src/cni/pod-interface.js'
import { everyByte, withFileLock } from '../../../src/kernel/file-lock.js'
import { localMachine } from '../../../src/kernel/local-machine.js'

/** A datapath that keeps its interfaces in memory. */
function memoryDatapath() {
  const pods = new Map<string, PodInterface>()
  const trouble: { add?: Error; del?: Error; bridge?: string } = {}
  const datapath: PodDatapath = {
    add(pod) {
      if (trouble.add) throw trouble.add
      pods.set(pod.hostVeth, pod)
      return { hostMac: '0a:58:00:00:00:01' }
    },
    check: () => {},
    exists: name => pods.has(name),
    trouble: () => trouble.bridge,
    async del(hostVeth) {
      if (trouble.del) throw trouble.del
      pods.delete(hostVeth)
    },
    gc: async keep => [...pods.keys()].filter(name => !keep.has(name) && pods.delete(name)),
  }
  return { datapath, pods, trouble }
}

function setUp(t: Test, notReady?: () => string | undefined) {
  const stateDir = mkdtempSync(join(tmpdir(), 'podwire-plugin-'))
  t.teardown(() => rmSync(stateDir, { recursive: true, force: true }))
  const memory = memoryDatapath()
  const plugin = createCniPlugin({ datapath: memory.datapath, run: localMachine.run, ...(notReady ? { notReady } : {}) })
  const conf = {
    cniVersion: '1.1.0',
    name: 'podwire',
    type: 'podwire',
    datapath: 'vxlan',
    bridge: 'cni0',
    mtu: 1450,
    ranges: ['10.244.1.0/29'],
    stateDir,
  }
  const call = async (command: string, id: string, extra: object = {}) => {
    const pod = `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=pod-${id.split('.')[0]};K8S_POD_UID=u`
    const env = { CNI_COMMAND: command, CNI_CONTAINERID: id, CNI_NETNS: `/run/netns/${id}`, CNI_IFNAME: 'eth0', CNI_ARGS: pod }
    const { status, stdout } = await plugin({ env, stdin: JSON.stringify({ ...conf, ...extra }) })
    return { status, answer: stdout === '' ? undefined : JSON.parse(stdout) }
  }
  const state = () => ['ipam', 'attachments'].map(dir => readdirSync(join(stateDir, dir)).filter(name => !name.startsWith('last-')).length)
  return { ...memory, plugin, conf, call, state }
}

t.test('results in the shape of each version', async t => {
  const { call } = setUp(t)
  const veth = /^veth[0-9a-f]{8}$/
  const old = (await call('ADD', 'a', { cniVersion: '0.4.0' })).answer
  t.match(old, { cniVersion: '0.4.0', ips: [{ version: '4', address: '10.244.1.2/29', gateway: '10.244.1.1', interface: 2 }] })
  t.strictSame(Object.keys(old.interfaces[2]), ['name', 'mac', 'sandbox'])
  const one = (await call('ADD', 'b', { cniVersion: '1.0.0' })).answer
  t.strictSame(one.ips, [{ interface: 2, address: '10.244.1.3/29', gateway: '10.244.1.1' }])
  const newest = (await call('ADD', 'c')).answer
  t.match(newest, {
    cniVersion: '1.1.0',
    interfaces: [
      { name: 'cni0' },
      { name: veth, mac: '0a:58:00:00:00:01', mtu: 1450 },
      { name: 'eth0', mtu: 1450, sandbox: '/run/netns/c' },
    ],
    routes: [{ dst: '0.0.0.0/0', gw: '10.244.1.1' }],
    dns: {},
  })
})

t.test('versions', async t => {
  const { call } = setUp(t)
  t.match((await call('VERSION', 'a', { cniVersion: '9.9.9' })).answer, {
    cniVersion: '9.9.9',
    supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
  })
  t.match((await call('ADD', 'a', { cniVersion: '0.2.0' })).answer, { code: 1, msg: /0\.2\.0/ })
  t.match((await call('ADD', 'a', { cniVersion: undefined })).answer, { code: 1 }, 'none means 0.2.0')
  t.match((await call('CHECK', 'a', { cniVersion: '0.3.1' })).answer, { code: 1, cniVersion: '0.3.1' })
  for (const command of ['GC', 'STATUS']) t.match((await call(command, 'a', { cniVersion: '1.0.0' })).answer, { code: 1 })
})

t.test('a configuration that is not valid', async t => {
  const { call, plugin, state, conf } = setUp(t)
  const env = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'a', CNI_NETNS: '/x', CNI_IFNAME: 'eth0' }
  t.match(JSON.parse((await plugin({ env, stdin: 'not json' })).stdout), { code: 6 })
  t.match(JSON.parse((await plugin({ env, stdin: '[]' })).stdout), { code: 6 })
  t.match((await call('ADD', 'a', { name: undefined })).answer, { code: 7, msg: /name/ })
  t.match((await call('ADD', 'a', { name: '.bad' })).answer, { code: 7, msg: /name/ })
  const { answer } = await call('ADD', 'a', { mtu: 1, ranges: ['10.0.0.1/24'], bridge: undefined })
  t.match(answer, { code: 7, msg: /mtu 1: .*ranges\[0\].*10\.0\.0\.1\/24/s }, 'all problems at once')
  t.match((await call('ADD', 'a', { ranges: [] })).answer, { code: 7, msg: /ranges/ })
  t.match((await call('ADD', 'a', { ranges: undefined })).answer, { code: 7, msg: /ranges/ })
  t.match((await call('ADD', 'a', { bridge: undefined })).answer, { code: 7, msg: /bridge/ })
  t.match((await call('ADD', 'a', { datapath: 'ipvlan' })).answer, { code: 2, msg: /datapath "ipvlan"/ }, 'a value that is not supported')
  t.equal((await call('ADD', 'a', { 'cni.dev/something': 1, runtimeConfig: {} })).status, 0, 'keys of others are let through')
  t.strictSame(state(), [1, 1])
  t.ok(conf.stateDir)
})

t.test('an ADD that fails leaves nothing, and one that died does not stand in the way', async t => {
  const { call, pods, trouble, state } = setUp(t)
  trouble.add = new PodwireError('KERNEL_REFUSED', 'add link: ENOMEM')
  t.match((await call('ADD', 'a')).answer, { code: 102, msg: 'add link: ENOMEM' })
  t.strictSame([pods.size, state()], [0, [0, 0]])
  delete trouble.add
  t.equal((await call('ADD', 'a')).status, 0)
  t.strictSame([pods.size, state()], [1, [1, 1]])
})

t.test('an interface that cannot be recorded is taken away again', async t => {
  const { call, pods, conf } = setUp(t)
  mkdirSync(join(conf.stateDir, 'attachments', `a-eth0.json.${process.pid}.tmp`), { recursive: true })
  t.match((await call('ADD', 'a')).answer, { code: 5 })
  t.strictSame([...pods.keys(), ...readdirSync(join(conf.stateDir, 'ipam')).filter(name => !name.startsWith('last-'))], [])
})

t.test('DEL twice, and of what never was', async t => {
  const { call, pods, state } = setUp(t)
  await call('ADD', 'a')
  for (let i = 0; i < 2; i++) t.strictSame(await call('DEL', 'a'), { status: 0, answer: undefined })
  t.strictSame([pods.size, state()], [0, [0, 0]])
})

t.test('a DEL that cannot remove the interface keeps the address', async t => {
  const { call, trouble, state } = setUp(t)
  await call('ADD', 'a')
  trouble.del = new PodwireError('KERNEL_REFUSED', 'delete link: EBUSY')
  t.match((await call('DEL', 'a')).answer, { code: 102 })
  t.strictSame(state(), [1, 1])
})

t.test('a new sandbox of a Pod comes while the old one is still there', async t => {
  const { call, pods } = setUp(t)
  const veth = async (id: string) => (await call('ADD', id)).answer.interfaces[1].name
  const [first, second] = [await veth('web.1'), await veth('web.2')]
  t.not(first, second)
  await call('DEL', 'web.1')
  t.strictSame([...pods.keys()], [second], 'the DEL of the old one spares the new one')
  await call('DEL', 'web.2')
  t.equal(await veth('web.3'), first, 'and later the Pod has its usual name again')
})

t.test('STATUS tells of a range that is full, ADD of why', async t => {
  const { call } = setUp(t)
  t.strictSame(await call('STATUS', 'x'), { status: 0, answer: undefined })
  for (const id of ['a', 'b', 'c', 'd', 'e']) t.equal((await call('ADD', id)).status, 0)
  t.match((await call('STATUS', 'x')).answer, { code: 50, msg: /10\.244\.1\.0\/29/ })
  t.match((await call('ADD', 'f')).answer, { code: 101, msg: /in use/, details: /podCIDR/ })
})

t.test('before the node is set up: try again later, but DEL works', async t => {
  const { call } = setUp(t, () => 'no range yet')
  t.match((await call('ADD', 'a')).answer, { code: 11, msg: 'no range yet' })
  t.match((await call('STATUS', 'a')).answer, { code: 50, msg: 'no range yet' })
  t.equal((await call('DEL', 'a')).status, 0)
})

t.test('GC removes what is not listed and goes on after an error', async t => {
  const { call, pods, state, trouble } = setUp(t)
  for (const id of ['a', 'b', 'c']) await call('ADD', id)
  const valid = { 'cni.dev/valid-attachments': [{ containerID: 'b', ifname: 'eth0' }] }
  trouble.del = new PodwireError('KERNEL_REFUSED', 'delete link: EBUSY')
  t.match((await call('GC', 'x', valid)).answer, { code: 102 })
  delete trouble.del
  t.strictSame(await call('GC', 'x', valid), { status: 0, answer: undefined })
  t.strictSame([pods.size, state()], [1, [1, 1]])
  t.equal([...pods.values()][0]?.netns, '/run/netns/b')
})

t.test('CHECK needs the result of ADD and its address', async t => {
  const { call } = setUp(t)
  const { answer: prevResult } = await call('ADD', 'a')
  t.strictSame(await call('CHECK', 'a', { prevResult }), { status: 0, answer: undefined })
  t.match((await call('CHECK', 'a')).answer, { code: 7, msg: /prevResult/ })
  t.match((await call('CHECK', 'b', { prevResult })).answer, { code: 103 })
  t.match((await call('CHECK', 'a', { prevResult: { ...prevResult, ips: [] } })).answer, { code: 103, msg: /10\.244\.1\.2\/29/ })
  t.match((await call('CHECK', 'a', { prevResult: { ips: 'x' } })).answer, { code: 6 })
})

t.test('behind another plugin its result is kept and ours appended', async t => {
  const { call } = setUp(t)
  const prevResult = {
    cniVersion: '1.1.0',
    interfaces: [{ name: 'net9' }],
    ips: [{ address: '192.0.2.1/24', interface: 0 }],
    dns: { nameservers: ['192.0.2.53'] },
  }
  const { answer } = await call('ADD', 'a', { prevResult })
  t.match(answer, {
    interfaces: [{ name: 'net9' }, { name: 'cni0' }],
    ips: [{ interface: 0 }, { address: '10.244.1.2/29', interface: 3 }],
    dns: prevResult.dns,
  })
})

t.test('a call waits while another process serves the same container, and GC while one serves any', async t => {
  const { call, conf } = setUp(t)
  await call('ADD', 'a')
  const gc = () => call('GC', 'a', { 'cni.dev/valid-attachments': [] })
  for (const [start, waiting] of [
    [() => call('DEL', 'a'), true],
    [gc, true],
    [() => call('STATUS', 'a'), false],
  ] as const) {
    let isDone = false
    const answer = await withFileLock(join(conf.stateDir, 'lock'), everyByte, async () => {
      const result = start().finally(() => {
        isDone = true
      })
      // Another container's turn shows that ours has had every chance.
      await withFileLock(join(conf.stateDir, 'other'), everyByte, async () => {})
      if (!waiting) await result
      t.equal(isDone, !waiting)
      return { result }
    })
    t.equal((await answer.result).status, 0)
  }
})

t.test('STATUS tells of a bridge that is missed once Pods stand on it', async t => {
  const { call, trouble } = setUp(t)
  trouble.bridge = 'the bridge cni0 is down'
  t.equal((await call('STATUS', 'a')).status, 0, 'the next ADD makes it')
  await call('ADD', 'a')
  t.match((await call('STATUS', 'a')).answer, { code: 51, msg: /cni0 is down/ })
})
