import t from 'tap'

import type { Pod } from '../../../../src/api/generated/types.js'
import { buildDnsSettings, parseResolvConf } from '../../../../src/node/kubelet/dns-settings.js'
import { kubeletConfig } from '../../../support/kubelet-config.js'

const node = { servers: ['192.0.2.1'], searches: ['example.org'], options: ['timeout:1'] }
const cluster = {
  servers: ['10.96.0.10'],
  searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.org'],
  options: ['ndots:5'],
}

const cases: Readonly<Record<string, { readonly spec: Partial<NonNullable<Pod['spec']>>; readonly want: typeof node }>> = {
  'ClusterFirst is the default': { spec: {}, want: cluster },
  'ClusterFirst on the node network is Default': { spec: { hostNetwork: true }, want: node },
  'ClusterFirstWithHostNet asks the cluster all the same': {
    spec: { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' },
    want: cluster,
  },
  'Default is the node': { spec: { dnsPolicy: 'Default' }, want: node },
  'None is what dnsConfig says': {
    spec: {
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['1.2.3.4'], searches: ['a.b'], options: [{ name: 'ndots', value: '2' }, { name: 'rotate' }] },
    },
    want: { servers: ['1.2.3.4'], searches: ['a.b'], options: ['ndots:2', 'rotate'] },
  },
  'dnsConfig adds servers and domains and overrides options': {
    spec: { dnsConfig: { nameservers: ['1.2.3.4', '10.96.0.10'], searches: ['a.b'], options: [{ name: 'ndots', value: '2' }] } },
    want: { servers: ['10.96.0.10', '1.2.3.4'], searches: [...cluster.searches, 'a.b'], options: ['ndots:2'] },
  },
}

for (const [name, { spec, want }] of Object.entries(cases)) {
  t.test(name, async t => {
    const pod = { metadata: { namespace: 'shop', name: 'web' }, spec: { containers: [], ...spec } }
    t.same(buildDnsSettings(pod, kubeletConfig, node), want)
  })
}

t.test('resolv.conf', async t => {
  const text = '# a comment\nnameserver 1.1.1.1\nsearch a\nsearch b c\noptions ndots:2 rotate\nnameserver 2.2.2.2 ; second\n'
  t.same(parseResolvConf(text), { servers: ['1.1.1.1', '2.2.2.2'], searches: ['b', 'c'], options: ['ndots:2', 'rotate'] })
})
