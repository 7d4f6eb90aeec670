import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { isTxChecksumOffloaded, setTxChecksumOffload } from '../../src/kernel/ethtool.js'
import { createNetns, type NetnsHandle, withNetns } from '../../src/kernel/netns.js'
import { ensureSysctl, readSysctl } from '../../src/kernel/sysctl.js'
import { type CniNode, createCniNodes, podAddress, runIn } from '../support/cni-nodes.js'

const signal = AbortSignal.timeout(120_000)

/** A TCP server on port 8080 of a namespace that answers with the address it saw. */
async function serve(t: Test, netns: NetnsHandle): Promise<void> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.end(`${socket.remoteAddress?.replace('::ffff:', '')}\n`)
  })
  withNetns(netns.path, () => void server.listen(8080))
  await once(server, 'listening')
  t.teardown(() => void server.close())
}

/** What the server at `address` answers to a client in `netns`; empty when there was no answer. */
const ask = (netns: NetnsHandle, address: string, port: number): Promise<string> =>
  new Promise(resolve => {
    withNetns(netns.path, () => {
      execFile('busybox', ['nc', '-w', '3', address, String(port)], (_, stdout) => resolve(stdout.trim())).stdin?.end()
    })
  })

async function twoNodes(t: Test) {
  const cluster = createCniNodes(2)
  t.teardown(() => cluster.close())
  const [one, two] = [cluster.nodes[0]!, cluster.nodes[1]!]
  for (const node of [one, two]) await node.datapath.setUpNode(signal)
  await one.datapath.peersChanged([two.peer()], signal)
  await two.datapath.peersChanged([one.peer()], signal)
  const addPod = async (node: CniNode, name: string) => {
    const pod = cluster.newContainer(name)
    const { status, stdout } = await node.call('ADD', pod)
    t.equal(status, 0, stdout)
    return pod
  }
  return { one, two, addPod, cluster }
}

/** As kube-proxy does it: a virtual address for one Pod, masqueraded when the Pod asks itself. */
const addService = (node: CniNode, address: string, pod: string) => {
  const rules = [
    `-A PREROUTING -s ${pod}/32 -d ${address}/32 -p tcp --dport 80 -j MARK --set-mark 0x4000`,
    `-A PREROUTING -d ${address}/32 -p tcp --dport 80 -j DNAT --to-destination ${pod}:8080`,
    '-A POSTROUTING -m mark --mark 0x4000 -j MASQUERADE --random-fully',
  ]
  return node.stack.iptables.restore(`*nat\n${rules.join('\n')}\nCOMMIT\n`, signal)
}

t.test('a Pod reaches itself and its neighbour through a Service', async t => {
  const { one, addPod } = await twoNodes(t)
  const [server, client] = [await addPod(one, 'a/server'), await addPod(one, 'a/client')]
  await serve(t, server.netns)
  await addService(one, '10.96.0.80', podAddress(one, 2))
  t.equal(await ask(server.netns, '10.96.0.80', 80), podAddress(one, 1), 'itself: from the address of the bridge')
  t.equal(await ask(client.netns, '10.96.0.80', 80), podAddress(one, 3), 'a neighbour: its own address is kept')
})

t.test("inside the cluster Pods keep their address, outside they get the node's", async t => {
  const { one, two, addPod, cluster } = await twoNodes(t)
  const [client, server] = [await addPod(one, 'a/client'), await addPod(two, 'a/server')]
  await serve(t, server.netns)
  t.equal(await ask(client.netns, podAddress(two, 2), 8080), podAddress(one, 2))
  await serve(t, two.netns)
  t.equal(await ask(client.netns, two.address, 8080), one.address)
  t.equal(cluster.nodes.length, 2)
})

/** Packets that a namespace threw away for a wrong checksum, by protocol. */
function checksumErrors(netns: NetnsHandle): Readonly<Record<string, string | undefined>> {
  const text = runIn(netns, 'cat', '/proc/net/snmp')
  const count = (protocol: string) => {
    const [names = '', values = ''] = text.split('\n').filter(line => line.startsWith(`${protocol}:`))
    return values.split(' ')[names.split(' ').indexOf('InCsumErrors')]
  }
  return { tcp: count('Tcp'), udp: count('Udp') }
}

t.test('what travels between nodes is never thrown away for its checksum', async t => {
  const { one, two, addPod } = await twoNodes(t)
  const [client, server] = [await addPod(one, 'a/client'), await addPod(two, 'a/server')]
  await serve(t, server.netns)
  await addService(one, '10.96.0.80', podAddress(two, 2))
  const capture = withNetns(one.netns.path, () =>
    spawn('tcpdump', ['-p', '-i', 'eth0', '-n', '-U', '--immediate-mode', '-w', '-', 'udp port 4789'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  t.teardown(() => void capture.kill('SIGKILL'))
  const chunks: Buffer[] = []
  capture.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(capture.stderr, 'data') // "listening on"
  for (const [address, port] of [
    [podAddress(two, 2), 8080],
    ['10.96.0.80', 80],
  ] as const) {
    t.equal(await ask(client.netns, address, port), podAddress(one, 2))
  }
  capture.kill('SIGTERM')
  await once(capture, 'close')

  const text = execFileSync('tcpdump', ['-r', '-', '-n', '-vv'], {
    input: Buffer.concat(chunks),
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const inner = [...text.matchAll(/Flags \[[^\]]*\], cksum 0x[0-9a-f]+ \(([^)]*)\)/g)].map(([, verdict]) => verdict)
  // What closes a connection may come after the capture's end.
  t.ok(inner.length >= 8, `${inner.length} TCP segments seen: two handshakes, questions and answers`)
  for (const netns of [client.netns, server.netns, one.netns, two.netns]) t.strictSame(checksumErrors(netns), { tcp: '0', udp: '0' })
  const outer = [...text.matchAll(/> 172\.30\.0\.\d+\.4789: (.*?) VXLAN/g)].map(([, verdict]) => verdict)
  t.strictSame([outer.length, [...new Set(outer)]], [inner.length, ['[no cksum]']], 'as RFC 7348 asks')
})

t.test('checksum offloading is turned off and on', async t => {
  const netns = createNetns()
  t.teardown(() => netns.close())
  runIn(netns, 'ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1')
  const said = () => /tx-checksumming: (\w+)/.exec(runIn(netns, 'ethtool', '-k', 'v0'))?.[1]
  for (const on of [false, true]) {
    withNetns(netns.path, () => setTxChecksumOffload('v0', on))
    t.equal(said(), on ? 'on' : 'off')
    t.equal(
      withNetns(netns.path, () => isTxChecksumOffloaded('v0')),
      on,
    )
  }
  t.throws(() => withNetns(netns.path, () => setTxChecksumOffload('nothing', false)), {
    code: 'KERNEL_REFUSED',
    message: /nothing: ENODEV/,
  })
})

t.test('kernel parameters are those of the namespace', async t => {
  const netns = createNetns()
  t.teardown(() => netns.close())
  const key = 'net/ipv4/conf/lo/forwarding'
  const home = readSysctl(key)
  withNetns(netns.path, () => {
    for (const value of ['1', '0', '1']) {
      ensureSysctl(key, value)
      t.equal(readSysctl(key), value)
    }
  })
  t.equal(readSysctl(key), home)
  t.throws(() => readSysctl('net/ipv4/no_such_thing'), { code: 'KERNEL_UNSUPPORTED', message: /net\/ipv4\/no_such_thing/ })
  t.throws(() => withNetns(netns.path, () => ensureSysctl(key, 'nonsense')), { code: 'KERNEL_REFUSED', message: /EINVAL/ })
})
