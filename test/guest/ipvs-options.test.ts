import t from 'tap'

import { parseCidr, parseIp } from '../../src/base/net/address.js'
import { openIpvs } from '../../src/kernel/netlink-ipvs.js'
import { withNetns } from '../../src/kernel/netns.js'
import { ipvsProxy } from '../../src/proxy-ipvs/backend.js'
import { buildServiceState } from '../../src/service-model/build-service-state.js'
import { flowNodes, type PlaceName, places } from '../suites/service-flows.js'
import { inGuest } from '../support/guest.js'
import { ipvsNode } from '../support/ipvs-node.js'
import { createServiceNetwork } from '../support/service-network.js'
import { testService, testSlice } from '../support/service-objects.js'
import { syncTo } from '../support/sync-to.js'

const signal = AbortSignal.timeout(170_000)
const node = flowNodes.ipvs
const talk = { name: 'talk', protocol: 'TCP', port: 8081 }
const ip = '10.96.0.50'
const chat = testService({ name: 'flows/chat', clusterIP: ip, ports: [talk] })
const at = (...names: readonly PlaceName[]) => names.map(name => ({ ip: places[name], nodeName: 'node-1', conditions: { ready: true } }))
const chatAt = (names: readonly PlaceName[]) =>
  buildServiceState({ services: [chat], endpointSlices: [testSlice('flows/chat', at(...names), [talk])], node })

await inGuest(import.meta.url, async () => {
  const network = await createServiceNetwork()
  t.teardown(() => network.close())
  const parts = ipvsNode(network.nodeNetns, network.node)
  const ipvs = withNetns(network.nodeNetns, openIpvs)
  const server = { protocol: 'tcp', address: parseIp(ip), port: 8081 } as const

  await t.test('the sets are the seventeen of kube-proxy, each of its type', async t => {
    const proxy = ipvsProxy(parts)
    await syncTo(proxy, chatAt(['near']), signal)
    const created = (await parts.ipset.save(signal)).matchAll(/^create (\S+) (\S+)/gm)
    const wanted = {
      'KUBE-CLUSTER-IP': 'hash:ip,port',
      'KUBE-EXTERNAL-IP': 'hash:ip,port',
      'KUBE-EXTERNAL-IP-LOCAL': 'hash:ip,port',
      'KUBE-HEALTH-CHECK-NODE-PORT': 'bitmap:port',
      'KUBE-IPVS-IPS': 'hash:ip',
      'KUBE-LOAD-BALANCER': 'hash:ip,port',
      'KUBE-LOAD-BALANCER-FW': 'hash:ip,port',
      'KUBE-LOAD-BALANCER-LOCAL': 'hash:ip,port',
      'KUBE-LOAD-BALANCER-SOURCE-CIDR': 'hash:ip,port,net',
      'KUBE-LOAD-BALANCER-SOURCE-IP': 'hash:ip,port,ip',
      'KUBE-LOOP-BACK': 'hash:ip,port,ip',
      'KUBE-NODE-PORT-LOCAL-SCTP-HASH': 'hash:ip,port',
      'KUBE-NODE-PORT-LOCAL-TCP': 'bitmap:port',
      'KUBE-NODE-PORT-LOCAL-UDP': 'bitmap:port',
      'KUBE-NODE-PORT-SCTP-HASH': 'hash:ip,port',
      'KUBE-NODE-PORT-TCP': 'bitmap:port',
      'KUBE-NODE-PORT-UDP': 'bitmap:port',
    }
    t.strictSame(Object.fromEntries([...created].map(([, name, type]) => [name, type])), wanted)
    await syncTo(proxy, undefined, signal)
  })

  await t.test('kernel parameters, ARP and timeouts are as the administrator says', async t => {
    const read = (...keys: readonly string[]) => keys.map(key => parts.sysctls.read(`net/ipv4/${key}`))
    const arp = ['conf/all/arp_ignore', 'conf/all/arp_announce'] as const
    const before = read(...arp)
    t.not(before.join(), '1,2')
    await syncTo(ipvsProxy(parts), chatAt(['near']), signal)
    t.strictSame(read(...arp), before, 'ARP is left alone unless asked')
    t.strictSame(read('vs/conntrack', 'vs/expire_nodest_conn', 'vs/expire_quiescent_template', 'ip_forward'), ['1', '1', '1', '1'])
    const asked = ipvsProxy(parts, { strictArp: true, timeouts: { tcp: 777, udp: 77 } })
    const { tcpFin } = ipvs.timeouts()
    await syncTo(asked, chatAt(['near']), signal)
    t.strictSame(read(...arp), ['1', '2'])
    t.strictSame(ipvs.timeouts(), { tcp: 777, tcpFin, udp: 77 }, 'what was not said stays')
    await syncTo(asked, undefined, signal)
  })

  await t.test('a virtual server in an excluded range stays, though our sets name it', async t => {
    await syncTo(ipvsProxy(parts), chatAt(['near']), signal)
    const excluding = ipvsProxy(parts, { excludeCidrs: [parseCidr('10.96.0.48/29')] })
    await syncTo(excluding, undefined, signal)
    t.strictSame(
      ipvs.servers().map(({ address, port }) => `${address}:${port}`),
      [`${ip}:8081`],
    )
    ipvs.deleteServer(server)
  })
})
