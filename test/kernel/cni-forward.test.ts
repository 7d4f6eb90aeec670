import { type ExecFileException, execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'

import { parseCidr } from '../../src/base/net/address.js'
import { startForwardServer } from '../../src/cni/forward-server.js'
import { installCni } from '../../src/cni/install.js'
import { createCniPlugin } from '../../src/cni/plugin.js'
import { builtProgram } from '../../src/kernel/built-program.js'
import { withNetns } from '../../src/kernel/netns.js'
import { cniEnv, createCniNodes } from '../support/cni-nodes.js'

const forwarder = builtProgram('cni-forward')
const signal = AbortSignal.timeout(120_000)

const folder = (test: Test): string => {
  const dir = mkdtempSync(join(tmpdir(), 'podwire-fwd-'))
  test.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

interface Ended {
  readonly code: number
  readonly stdout: string
}

/** Runs a plugin as a runtime does, in a network namespace. */
function callPlugin(path: string, env: Readonly<Record<string, string>>, stdin: string, netns = '/proc/self/ns/net'): Promise<Ended> {
  return new Promise(resolve => {
    const done = (error: ExecFileException | null, stdout: string) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout })
    }
    withNetns(netns, () => {
      execFile(path, { env: { PATH: process.env.PATH ?? '', ...env } }, done).stdin?.end(stdin)
    })
  })
}

t.test('a call goes to the agent and its answer comes back', async t => {
  const socket = join(folder(t), 'cni.sock')
  const long = 'x'.repeat(300_000)
  const server = await startForwardServer(socket, async ({ env, stdin }) => ({
    status: env.CNI_COMMAND === 'ADD' ? 0 : 1,
    stdout: `${JSON.stringify({ env, stdin })}\n${long}`,
  }))
  t.teardown(() => server.close())
  const env = { CNI_COMMAND: 'ADD', CNI_ARGS: 'A=B;C=D', SECRET: 'not for the agent', PODWIRE_CNI_SOCKET: socket }
  const added = await callPlugin(forwarder, env, `{"name":"é"}${long}`)
  t.equal(added.code, 0)
  t.strictSame(JSON.parse(added.stdout.split('\n')[0] ?? ''), {
    env: { CNI_COMMAND: 'ADD', CNI_ARGS: 'A=B;C=D' },
    stdin: `{"name":"é"}${long}`,
  })
  t.equal(added.stdout.length, added.stdout.indexOf('\n') + 1 + long.length)
  t.equal((await callPlugin(forwarder, { ...env, CNI_COMMAND: 'DEL' }, '{}')).code, 1)
  t.equal(statSync(socket).mode & 0o077, 0, 'the socket is for root only')
})

t.test('an agent that goes away during a call: try again later', async t => {
  const socket = join(folder(t), 'cni.sock')
  const server = createServer(connection => connection.destroy())
  await new Promise<void>(resolve => server.listen(socket, resolve))
  t.teardown(() => server.close())
  const { code, stdout } = await callPlugin(forwarder, { CNI_COMMAND: 'ADD', PODWIRE_CNI_SOCKET: socket }, '{}')
  t.equal(code, 1)
  t.match(JSON.parse(stdout), { code: 11, msg: /went away/ })
})

t.test('no agent and no plugin beside: try again later', async t => {
  const dir = folder(t)
  copyFileSync(forwarder, join(dir, 'podwire'))
  const { code, stdout } = await callPlugin(join(dir, 'podwire'), { CNI_COMMAND: 'ADD', PODWIRE_CNI_SOCKET: join(dir, 'none') }, '{}')
  t.equal(code, 1)
  t.match(JSON.parse(stdout), { code: 11, details: /No such file/ })
})

t.test('calls of one container are in turn, of others side by side', async t => {
  const socket = join(folder(t), 'cni.sock')
  const running = new Set<string>()
  const seen: string[] = []
  const release = new Map<string, () => void>()
  const server = await startForwardServer(socket, async ({ env, stdin }) => {
    running.add(stdin)
    seen.push([...running].sort().join('+'))
    await new Promise<void>(resolve => release.set(stdin, resolve))
    running.delete(stdin)
    return { status: 0, stdout: env.CNI_COMMAND ?? '' }
  })
  t.teardown(() => server.close())
  const call = (command: string, container: string, name: string) =>
    callPlugin(forwarder, { CNI_COMMAND: command, CNI_CONTAINERID: container, PODWIRE_CNI_SOCKET: socket }, name)
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise(resolve => setImmediate(resolve))
  }
  const calls = [call('ADD', 'a', 'a1')]
  await until(() => release.has('a1'))
  calls.push(call('ADD', 'b', 'b1'))
  await until(() => release.has('b1'))
  calls.push(call('DEL', 'a', 'a2'))
  // Whether the forwarder has arrived cannot be seen from here, but a2 must not run while a1 does.
  release.get('a1')?.()
  await until(() => release.has('a2'))
  t.notOk(running.has('a1'))
  t.ok(running.has('b1'))
  for (const name of ['a2', 'b1']) release.get(name)?.()
  await Promise.all(calls)
  t.strictSame(seen, ['a1', 'a1+b1', 'a2+b1'])
})

t.test('installed as a runtime finds it: ADD and DEL through the forwarder, and without the agent through the plugin', async t => {
  const dir = folder(t)
  const cluster = createCniNodes(1)
  t.teardown(() => cluster.close())
  const node = cluster.nodes[0]!
  await node.datapath.setUpNode(signal)
  const files = {
    confDir: join(dir, 'net.d'),
    binDir: join(dir, 'bin'),
    forwarder,
    plugin: builtProgram('cni.js'),
    node: process.execPath,
    chained: [],
  }
  const settings = { datapath: 'vxlan', bridge: 'cni0', mtu: 1450, stateDir: node.stateDir, ranges: [parseCidr('10.244.1.0/24')] } as const
  await installCni(files, settings)
  const conflistFile = join(files.confDir, '10-podwire.conflist')
  const { ino } = statSync(conflistFile)
  await installCni(files, settings)
  t.equal(statSync(conflistFile).ino, ino, 'an unchanged configuration is not written again')
  t.strictSame(readdirSync(files.confDir), ['10-podwire.conflist'])
  t.strictSame(readdirSync(files.binDir).sort(), ['loopback', 'podwire', 'podwire-cni'])

  const list = JSON.parse(readFileSync(conflistFile, 'utf8'))
  const conf = JSON.stringify({ ...list.plugins[0], name: list.name, cniVersion: list.cniVersion })
  const socket = join(dir, 'cni.sock')
  const podwire = join(files.binDir, 'podwire')
  const call = (path: string, command: 'ADD' | 'DEL' | 'CHECK', container: Parameters<typeof cniEnv>[1], stdin = conf) =>
    callPlugin(path, { ...cniEnv(command, container), PODWIRE_CNI_SOCKET: socket }, stdin, node.netns.path)

  for (const way of ['plugin', 'forwarder'] as const) {
    const pod = cluster.newContainer(`shop/${way}`)
    const server =
      way === 'plugin' ? undefined : await startForwardServer(socket, createCniPlugin({ datapath: node.datapath, run: node.stack.run }))
    const started = performance.now()
    const { code, stdout } = await call(podwire, 'ADD', pod)
    t.comment(`ADD by ${way} took ${(performance.now() - started).toFixed(1)} ms`)
    t.equal(code, 0, stdout)
    t.match(JSON.parse(stdout), { cniVersion: '1.0.0', ips: [{ gateway: '10.244.1.1' }] })
    const checked = await call(podwire, 'CHECK', pod, JSON.stringify({ ...JSON.parse(conf), prevResult: JSON.parse(stdout) }))
    t.strictSame(checked, { code: 0, stdout: '' })
    t.strictSame(await call(podwire, 'DEL', pod), { code: 0, stdout: '' })

    const loopback = JSON.stringify({ cniVersion: '0.3.1', name: 'cni-loopback', type: 'loopback' })
    const env = { ...cniEnv('ADD', pod), CNI_IFNAME: 'lo', PODWIRE_CNI_SOCKET: socket }
    const lo = await callPlugin(join(files.binDir, 'loopback'), env, loopback, node.netns.path)
    t.match(JSON.parse(lo.stdout), { cniVersion: '0.3.1', interfaces: [{ name: 'lo' }], ips: [{ version: '4', address: '127.0.0.1/8' }] })
    await server?.close()
  }
  t.strictSame(
    node.stack.rtnetlink
      .links()
      .filter(({ kind }) => kind === 'veth')
      .map(({ name }) => name),
    ['eth0'],
    'only the uplink is left',
  )
})
