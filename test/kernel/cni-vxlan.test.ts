import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

import { Attachment } from '../../src/base/config/attachment.js'
import { withNetns } from '../../src/kernel/netns.js'
import { readSysctl } from '../../src/kernel/sysctl.js'
import { createCniNodes, podAddress, runIn } from '../support/cni-nodes.js'

const signal = AbortSignal.timeout(120_000)

/** Ip FragCreates of this thread's namespace. */
function fragmentsMade(): number {
  const [names, values] = readFileSync('/proc/thread-self/net/snmp', 'utf8')
    .split('\n')
    .filter(line => line.startsWith('Ip:'))
    .map(line => line.split(' '))
  return Number(values?.[names?.indexOf('FragCreates') ?? -1])
}

t.test('Pods of two nodes reach each other, and a node that went leaves nothing', async t => {
  const { nodes, newContainer, close } = createCniNodes(2)
  t.teardown(close)
  const [one, two] = [nodes[0]!, nodes[1]!]
  for (const node of nodes) await node.datapath.setUpNode(signal)
  await one.datapath.peersChanged([two.peer()], signal)
  await two.datapath.peersChanged([one.peer()], signal)
  const [a, b, c] = [newContainer('default/a'), newContainer('default/b'), newContainer('default/c')]
  for (const [node, container] of [
    [one, a],
    [two, b],
    [one, c],
  ] as const) {
    const { status, stdout } = await node.call('ADD', container)
    t.equal(status, 0, stdout)
  }

  t.test('same node and other node, both ways', async t => {
    const ping = (from: typeof a, to: string) => runIn(from.netns, 'busybox', 'ping', '-c', '1', '-W', '2', to)
    t.match(ping(a, podAddress(two, 2)), /ttl=62/, 'two nodes route')
    t.match(ping(b, podAddress(one, 2)), /ttl=62/)
    t.match(ping(a, podAddress(one, 3)), /ttl=64/, 'the bridge does not')
    t.match(ping(c, podAddress(one, 1)), /ttl=64/, 'the gateway answers')
  })

  t.test('a packet of the Pod MTU passes whole, a larger one is cut by the Pod itself', async t => {
    const fragments = () => [a.netns, one.netns, two.netns, b.netns].map(netns => withNetns(netns.path, fragmentsMade))
    const ping = (bytes: number) => runIn(a.netns, 'busybox', 'ping', '-c', '1', '-W', '2', '-s', String(bytes - 28), podAddress(two, 2))
    t.match(ping(1450), /ttl=62/)
    t.strictSame(fragments(), [0, 0, 0, 0])
    t.match(ping(1451), /ttl=62/)
    // Conntrack on the nodes puts fragments together and cuts them again, so they count too.
    t.strictSame(fragments(), [2, 4, 4, 2])
  })

  t.test('nodes and hosts outside see what they should', async t => {
    t.match(runIn(one.netns, 'busybox', 'ping', '-c', '1', '-W', '2', podAddress(two, 2)), /ttl=63/, "a node reaches other nodes' Pods")
    t.match(
      runIn(a.netns, 'busybox', 'ping', '-c', '1', '-W', '2', two.address),
      /ttl=63/,
      "a Pod reaches a node, by its own node's address",
    )
  })

  t.test('the tables of a node follow its peers', async t => {
    runIn(one.netns, 'ip', 'route', 'add', '10.99.0.0/16', 'dev', 'vxlan0')
    t.match(runIn(one.netns, 'ip', 'route'), /10\.244\.2\.0\/24 via 10\.244\.2\.0 dev vxlan0 proto 86 onlink/)
    await one.datapath.peersChanged([{ ...two.peer(), vtepMac: '0a:58:00:00:00:01' }], signal)
    t.match(runIn(one.netns, 'bridge', 'fdb', 'show', 'dev', 'vxlan0'), /^0a:58:00:00:00:01 dst 172\.30\.0\.12 self permanent\s*$/)
    t.match(runIn(one.netns, 'ip', 'neigh', 'show', 'dev', 'vxlan0'), /^10\.244\.2\.0 lladdr 0a:58:00:00:00:01 PERMANENT\s*$/)
    await one.datapath.peersChanged([], signal)
    t.equal(runIn(one.netns, 'bridge', 'fdb', 'show', 'dev', 'vxlan0').trim(), '')
    t.equal(runIn(one.netns, 'ip', 'neigh', 'show', 'dev', 'vxlan0', 'nud', 'permanent').trim(), '')
    t.equal(runIn(one.netns, 'ip', 'route', 'show', 'dev', 'vxlan0').trim(), '10.99.0.0/16 scope link', 'the route of somebody else stays')
  })

  t.test('setting the node up again changes nothing', async t => {
    const before = runIn(one.netns, 'ip', '-d', 'link').replace(/_?timer .*/g, '')
    const rules = runIn(one.netns, 'iptables-nft-save', '-t', 'nat')
    await one.datapath.setUpNode(signal)
    t.equal(runIn(one.netns, 'ip', '-d', 'link').replace(/_?timer .*/g, ''), before)
    const withoutComments = (text: string) => text.replace(/^#.*\n/gm, '').replace(/\[\d+:\d+\]/g, '')
    t.equal(withoutComments(runIn(one.netns, 'iptables-nft-save', '-t', 'nat')), withoutComments(rules))
  })
})

t.test('a node is set up with what Pods need', async t => {
  const { nodes, close } = createCniNodes(1, 9000)
  t.teardown(close)
  const [node] = nodes
  await node!.datapath.setUpNode(signal)
  withNetns(node!.netns.path, () => {
    t.equal(readSysctl('net/ipv4/ip_forward'), '1')
    t.equal(readSysctl('net/bridge/bridge-nf-call-iptables'), '1')
  })
  const link = (name: string) => runIn(node!.netns, 'ip', '-d', 'link', 'show', name)
  t.match(link('cni0'), /mtu 8950/)
  t.match(link('vxlan0'), /mtu 8950/)
  t.match(link('vxlan0'), /vxlan id 1 local 172\.30\.0\.11 dev eth0 .*dstport 4789 nolearning .*noudpcsum/)
  t.match(runIn(node!.netns, 'ethtool', '-k', 'vxlan0'), /tx-checksumming: on/, 'this kernel computes checksums in tunnels right')
  t.match(runIn(node!.netns, 'ip', '-br', 'addr'), /cni0 .*10\.244\.1\.1\/24/)
  t.match(runIn(node!.netns, 'ip', '-br', 'addr'), /vxlan0 .*10\.244\.1\.0\/32/)
})

t.test('the life of an interface', async t => {
  const { nodes, newContainer, close } = createCniNodes(1)
  t.teardown(close)
  const node = nodes[0]!
  await node.datapath.setUpNode(signal)
  const links = () => node.stack.rtnetlink.links().map(({ name }) => name)
  const before = links()
  const pod = newContainer('shop/web-1')
  const files = (dir: string) => readdirSync(`${node.stateDir}/${dir}`).filter(name => !name.startsWith('last-'))

  const started = performance.now()
  const added = await node.call('ADD', pod)
  t.comment(`ADD took ${(performance.now() - started).toFixed(1)} ms`)
  t.equal(added.status, 0, added.stdout)
  const result = JSON.parse(added.stdout)
  t.match(result, {
    cniVersion: '1.1.0',
    interfaces: [
      { name: 'cni0' },
      { name: /^veth[0-9a-f]{8}$/ },
      { name: 'eth0', mac: '0a:58:0a:f4:01:02', mtu: 1450, sandbox: pod.netns.path },
    ],
    ips: [{ address: '10.244.1.2/24', gateway: '10.244.1.1', interface: 2 }],
    routes: [{ dst: '0.0.0.0/0', gw: '10.244.1.1' }],
  })
  t.match(runIn(node.netns, 'ip', '-d', 'link', 'show', result.interfaces[1].name), /hairpin on[\s\S]*alias shop\/web-1/)
  const attachment = Attachment.parse(JSON.parse(runIn(node.netns, 'cat', `${node.stateDir}/attachments/${pod.id}-eth0.json`)))
  t.match(attachment, {
    podNamespace: 'shop',
    podName: 'web-1',
    netns: pod.netns.path,
    addresses: ['10.244.1.2/24'],
    gateway: '10.244.1.1',
  })
  t.match(runIn(pod.netns, 'ip', '-br', 'link', 'show', 'lo'), /UP/)

  t.equal((await node.call('CHECK', pod, { prevResult: result })).stdout, '')
  t.match(JSON.parse((await node.call('ADD', pod)).stdout), { code: 100 }, 'the interface exists')
  t.equal((await node.call('CHECK', pod, { prevResult: result })).stdout, '', 'the refused ADD took nothing away')

  const checks: Record<string, readonly [string, ...string[]]> = {
    'default route': ['ip', 'route', 'del', 'default'],
    address: ['ip', 'addr', 'del', '10.244.1.2/24', 'dev', 'eth0'],
    'is down': ['ip', 'link', 'set', 'eth0', 'down'],
    MTU: ['ip', 'link', 'set', 'eth0', 'mtu', '1400'],
  }
  for (const [word, argv] of Object.entries(checks)) {
    runIn(pod.netns, ...argv)
    t.match(JSON.parse((await node.call('CHECK', pod, { prevResult: result })).stdout), { code: 103, msg: new RegExp(word) })
  }

  const second = performance.now()
  t.same(await node.call('DEL', pod), { status: 0, stdout: '' })
  t.comment(`DEL took ${(performance.now() - second).toFixed(1)} ms`)
  t.same(await node.call('DEL', pod), { status: 0, stdout: '' }, 'twice')
  t.strictSame(links(), before)
  t.strictSame([files('ipam'), files('attachments')], [[], []])
  t.match(JSON.parse((await node.call('CHECK', pod, { prevResult: result })).stdout), { code: 103 })
})

t.test('DEL needs no namespace, and a Pod whose namespace vanished is cleaned up', async t => {
  const { nodes, newContainer, close } = createCniNodes(1)
  t.teardown(close)
  const node = nodes[0]!
  await node.datapath.setUpNode(signal)
  const before = node.stack.rtnetlink.links().length
  const pod = newContainer('a/b')
  t.equal((await node.call('ADD', pod)).status, 0)
  const gone = { ...pod, netns: { ...pod.netns, path: '/run/netns/gone' } }
  t.same(await node.call('DEL', gone), { status: 0, stdout: '' })
  t.equal(node.stack.rtnetlink.links().length, before)
  t.match(JSON.parse((await node.call('ADD', gone)).stdout), { code: 3, msg: /\/run\/netns\/gone/ })
  t.match(JSON.parse((await node.call('ADD', { ...pod, netns: node.netns })).stdout), { code: 4, msg: /own network namespace/ })
  t.strictSame(
    readdirSync(`${node.stateDir}/ipam`).filter(name => !name.startsWith('last-')),
    [],
    'a failed ADD keeps no address',
  )
})

t.test('an ADD that fails midway leaves nothing', async t => {
  const { nodes, newContainer, close } = createCniNodes(1)
  t.teardown(close)
  const node = nodes[0]!
  await node.datapath.setUpNode(signal)
  const before = node.stack.rtnetlink.links().length
  const pod = newContainer('a/b')
  // An MTU that a veth accepts but that makes the IPv6 address fail: the pair exists by then.
  const answer = JSON.parse((await node.call('ADD', pod, { mtu: 1000, ranges: ['10.244.1.0/24', 'fd00::/64'] })).stdout)
  t.match(answer, { code: 102 })
  t.equal(node.stack.rtnetlink.links().length, before)
  t.equal(
    node.stack.enter(() => 0),
    0,
  )
  t.strictSame(
    readdirSync(`${node.stateDir}/ipam`).filter(name => !name.startsWith('last-')),
    [],
  )
  t.strictSame(readdirSync(`${node.stateDir}/attachments`), [])
  t.equal((await node.call('ADD', pod)).status, 0, 'and does not stand in the way of the next')
})

t.test('GC removes everything not listed', async t => {
  const { nodes, newContainer, close } = createCniNodes(1)
  t.teardown(close)
  const node = nodes[0]!
  await node.datapath.setUpNode(signal)
  const [kept, lost] = [newContainer('a/kept'), newContainer('a/lost')]
  for (const pod of [kept, lost]) t.equal((await node.call('ADD', pod)).status, 0)
  const group = node.stack.rtnetlink.links().find(({ kind, name }) => kind === 'veth' && name !== 'eth0')?.group ?? 0
  t.not(group, 0)
  node.stack.rtnetlink.addVeth({ name: 'vethdeadbeef', mtu: 1450, group, peer: { name: 'x' } })
  node.stack.rtnetlink.addVeth({ name: 'vethcafecafe', mtu: 1450, peer: { name: 'y' } })
  node.stack.rtnetlink.changeLink(node.stack.rtnetlink.link('vethdeadbeef')!.index, { master: node.stack.rtnetlink.link('cni0')!.index })
  const valid = { 'cni.dev/valid-attachments': [{ containerID: kept.id, ifname: 'eth0' }] }
  t.same(await node.call('GC', undefined, valid), { status: 0, stdout: '' })
  t.equal(runIn(kept.netns, 'ip', '-br', 'link', 'show', 'eth0').includes('UP'), true)
  t.throws(() => runIn(lost.netns, 'ip', 'link', 'show', 'eth0'))
  t.equal(node.stack.rtnetlink.link('vethdeadbeef'), undefined)
  t.ok(node.stack.rtnetlink.link('vethcafecafe'), 'what others made stays')
  t.strictSame(
    readdirSync(`${node.stateDir}/ipam`).filter(name => !name.startsWith('last-')),
    ['10.244.1.2'],
  )
})

t.test('many at once', async t => {
  const { nodes, newContainer, close } = createCniNodes(1)
  t.teardown(close)
  const node = nodes[0]!
  await node.datapath.setUpNode(signal)
  const pods = Array.from({ length: 40 }, (_, i) => newContainer(`a/p${i}`))
  const started = performance.now()
  const answers = await Promise.all(pods.map(pod => node.call('ADD', pod)))
  t.comment(`40 ADDs at once took ${(performance.now() - started).toFixed(0)} ms`)
  t.equal(answers.filter(({ status }) => status === 0).length, 40)
  t.equal(new Set(answers.map(({ stdout }) => JSON.parse(stdout).ips[0].address)).size, 40)
  const addresses = answers.map(({ stdout }) => JSON.parse(stdout).ips[0].address.split('/')[0])
  t.match(runIn(pods[0]!.netns, 'busybox', 'ping', '-c', '1', '-W', '2', addresses[39]), /ttl=64/)
})
