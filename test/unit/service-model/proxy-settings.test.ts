import t from 'tap'

import { parseCidr, parseIp } from '../../../src/base/net/address.js'
import { nodeFacts, type ProxyMode, type ProxySettings, proxyModes } from '../../../src/service-model/proxy-settings.js'

const dual: ProxySettings = {
  nodeName: 'node-1',
  nodeAddresses: [parseIp('172.30.0.11'), parseIp('fd00:172:30::b')],
  zone: 'zone-a',
  serviceRanges: [parseCidr('10.96.0.0/16'), parseCidr('fd00:10:96::/112')],
  detectLocal: { by: 'ClusterCIDR', cidrs: [parseCidr('10.244.0.0/16'), parseCidr('fd00:10:244::/48')] },
  nodePortAddresses: 'default',
  localhostNodePorts: true,
  masqueradeAll: false,
  masqueradeBit: 14,
  isConntrackLiberal: false,
}
const facts = (change: Partial<ProxySettings>, mode: ProxyMode = 'iptables', family: 4 | 6 = 4) =>
  nodeFacts({ ...dual, ...change }, mode, family)

t.test('each family has its own address, ranges and Pods', async t => {
  t.match(facts({}), {
    family: 4,
    address: '172.30.0.11',
    serviceRanges: ['10.96.0.0/16'],
    localDetector: { by: 'source', cidr: '10.244.0.0/16' },
  })
  t.match(facts({}, 'nftables', 6), {
    family: 6,
    address: 'fd00:172:30::b',
    serviceRanges: ['fd00:10:96::/112'],
    localDetector: { by: 'source', cidr: 'fd00:10:244::/48' },
  })
  t.equal(facts({ nodeAddresses: [parseIp('172.30.0.11')] }, 'iptables', 6), undefined, 'a node without the family')
})

t.test('where NodePorts answer when nobody says', async t => {
  t.equal(facts({}, 'iptables')?.nodePortAddresses, 'all')
  t.equal(facts({}, 'ipvs')?.nodePortAddresses, 'all')
  t.strictSame(facts({}, 'nftables')?.nodePortAddresses, ['172.30.0.11/32'])
  t.strictSame(facts({}, 'nftables', 6)?.nodePortAddresses, ['fd00:172:30::b/128'])
})

t.test('where NodePorts answer when somebody says', async t => {
  for (const mode of proxyModes) {
    t.strictSame(facts({ nodePortAddresses: 'primary' }, mode)?.nodePortAddresses, ['172.30.0.11/32'])
    const ranges = [parseCidr('192.168.0.0/16'), parseCidr('fd01::/64')]
    t.strictSame(facts({ nodePortAddresses: ranges }, mode)?.nodePortAddresses, ['192.168.0.0/16'])
    t.strictSame(facts({ nodePortAddresses: ranges }, mode, 6)?.nodePortAddresses, ['fd01::/64'])
    t.equal(facts({ nodePortAddresses: [parseCidr('192.168.0.0/16')] }, mode, 6)?.nodePortAddresses, 'all', 'nothing is said of IPv6')
    t.equal(facts({ nodePortAddresses: [parseCidr('0.0.0.0/0'), parseCidr('10.0.0.0/8')] }, mode)?.nodePortAddresses, 'all')
  }
})

t.test('NodePorts on 127.0.0.1 are for iptables and IPv4, where its range is served', async t => {
  t.ok(facts({})?.localhostNodePorts)
  t.notOk(facts({ localhostNodePorts: false })?.localhostNodePorts)
  t.notOk(facts({}, 'iptables', 6)?.localhostNodePorts)
  t.notOk(facts({}, 'nftables')?.localhostNodePorts)
  t.notOk(facts({}, 'ipvs')?.localhostNodePorts)
  t.notOk(facts({ nodePortAddresses: 'primary' })?.localhostNodePorts)
  t.ok(facts({ nodePortAddresses: [parseCidr('127.0.0.0/8')] })?.localhostNodePorts)
})

t.test('how Pods are told from others', async t => {
  const detectors: readonly (readonly [ProxySettings['detectLocal'], unknown])[] = [
    [
      { by: 'NodeCIDR', cidrs: [parseCidr('10.244.1.0/24')] },
      { by: 'source', cidr: '10.244.1.0/24' },
    ],
    [{ by: 'NodeCIDR', cidrs: [parseCidr('fd00:10:244:1::/64')] }, undefined],
    [{ by: 'ClusterCIDR', cidrs: [] }, undefined],
    [
      { by: 'BridgeInterface', name: 'cni0' },
      { by: 'interface', name: 'cni0' },
    ],
    [
      { by: 'InterfaceNamePrefix', prefix: 'veth' },
      { by: 'interface', name: 'veth+' },
    ],
    [{ by: 'none' }, undefined],
  ]
  for (const [detectLocal, want] of detectors) t.strictSame(facts({ detectLocal })?.localDetector, want, detectLocal.by)
})

t.test('the mark bit and lenient connection tracking', async t => {
  t.equal(facts({})?.masqueradeMark, 0x4000)
  t.equal(facts({ masqueradeBit: 31 })?.masqueradeMark, 0x80000000)
  t.ok(facts({})?.dropInvalid)
  t.notOk(facts({ isConntrackLiberal: true })?.dropInvalid)
})
