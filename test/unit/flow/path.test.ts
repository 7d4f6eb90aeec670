/** The ways that the datapath and the proxy claim, as lists read off real captures (test/kernel/flow.test.ts compares them with packets). */
import t from 'tap'

import type { HopStep, Journey, PathEnd } from '../../../src/base/net/path.js'
import { datapathPath } from '../../../src/cni/path.js'
import { type ServiceTranslation, translateService, untranslated } from '../../../src/service-model/translation-path.js'

const pod = (name: string, node: string): PathEnd => ({ kind: 'pod', pod: name, node })
const client = pod('client', 'a')
const near = pod('near', 'a')
const far = pod('far', 'b')
const outside: PathEnd = { kind: 'host', host: 'ext', isNode: false }
const nodeA: PathEnd = { kind: 'host', host: 'a', isNode: true }

interface Case {
  readonly journey: Omit<Journey, 'bridgeNetfilter'>
  readonly isFiltered?: boolean
  readonly service?: ServiceTranslation & { readonly direction: 'path' | 'reply' }
  readonly want: readonly string[]
}

const there = (isMasqueraded: boolean, host = 'a') => ({ host, isMasqueraded, direction: 'path' as const })
const back = (isMasqueraded: boolean, host = 'a') => ({ host, isMasqueraded, direction: 'reply' as const })
const tunnel = ['a:vxlan out ttl mac', 'a:uplink out encap', 'b:uplink in', 'b:vxlan in decap']
const intoFar = ['b:bridge out ttl mac', 'b:veth(far) out', 'far:eth0 in']
const fromFar = [
  'far:eth0 out',
  'b:veth(far) in',
  'b:bridge in',
  'b:vxlan out ttl mac',
  'b:uplink out encap',
  'a:uplink in',
  'a:vxlan in decap',
]

const cases: Record<string, Case> = {
  'a Pod to itself': { journey: { from: client, to: client }, want: ['client:lo in'] },
  'two Pods of one node': {
    journey: { from: client, to: near },
    want: ['client:eth0 out', 'a:veth(client) in', 'a:veth(near) out', 'near:eth0 in'],
  },
  'two Pods of two nodes': {
    journey: { from: client, to: far },
    want: ['client:eth0 out', 'a:veth(client) in', 'a:bridge in', ...tunnel, ...intoFar],
  },
  'a node to its own Pod': { journey: { from: nodeA, to: near }, want: ['a:bridge out mac', 'a:veth(near) out', 'near:eth0 in'] },
  'a node to the Pod of another': {
    journey: { from: nodeA, to: far },
    want: ['a:vxlan out mac', 'a:uplink out encap', 'b:uplink in', 'b:vxlan in decap', ...intoFar],
  },
  'ClusterIP, same node': {
    journey: { from: client, to: near, redirectedOn: 'a' },
    service: there(false),
    want: ['client:eth0 out', 'a:veth(client) in', '(a:bridge out dst dport mac)', 'a:veth(near) out dst dport mac?', 'near:eth0 in'],
  },
  'ClusterIP, same node, back': {
    journey: { from: near, to: client },
    service: back(false),
    want: ['near:eth0 out', 'a:veth(near) in', 'a:veth(client) out src sport', 'client:eth0 in'],
  },
  'ClusterIP, same node, without br_netfilter: routed': {
    journey: { from: client, to: near, redirectedOn: 'a' },
    isFiltered: false,
    service: there(false),
    want: ['client:eth0 out', 'a:veth(client) in', 'a:bridge in', 'a:bridge out dst dport ttl mac', 'a:veth(near) out', 'near:eth0 in'],
  },
  'ClusterIP, same node, back without br_netfilter: nobody turns it back': {
    journey: { from: near, to: client },
    isFiltered: false,
    service: back(false),
    want: ['near:eth0 out', 'a:veth(near) in', 'a:veth(client) out', 'client:eth0 in'],
  },
  'ClusterIP, other node': {
    journey: { from: client, to: far, redirectedOn: 'a' },
    service: there(false),
    want: ['client:eth0 out', 'a:veth(client) in', 'a:bridge in dst dport', ...tunnel, ...intoFar],
  },
  'ClusterIP, other node, without br_netfilter': {
    journey: { from: client, to: far, redirectedOn: 'a' },
    isFiltered: false,
    service: there(false),
    want: ['client:eth0 out', 'a:veth(client) in', 'a:bridge in', 'a:vxlan out dst dport ttl mac', ...tunnel.slice(1), ...intoFar],
  },
  'ClusterIP, other node, back': {
    journey: { from: far, to: client },
    service: back(false),
    want: [...fromFar, 'a:bridge out src sport ttl mac', 'a:veth(client) out', 'client:eth0 in'],
  },
  hairpin: {
    journey: { from: client, to: client, redirectedOn: 'a' },
    service: there(true),
    want: [
      'client:eth0 out',
      'a:veth(client) in',
      '(a:bridge out dst dport mac)',
      'a:veth(client) out dst dport src sport mac?',
      'client:eth0 in',
    ],
  },
  'hairpin, back': {
    journey: { from: client, to: client, redirectedOn: 'a' },
    service: back(true),
    want: [
      'client:eth0 out',
      'a:veth(client) in',
      '(a:bridge out dst dport mac)',
      'a:veth(client) out dst dport src sport mac?',
      'client:eth0 in',
    ],
  },
  'NodePort at the node of the endpoint': {
    journey: { from: outside, to: near, entry: 'a', redirectedOn: 'a' },
    service: there(true),
    want: ['ext:uplink out', 'a:uplink in', 'a:bridge out dst dport src sport ttl mac', 'a:veth(near) out', 'near:eth0 in'],
  },
  'NodePort at the node of the endpoint, back': {
    journey: { from: near, to: outside, redirectedOn: 'a' },
    service: back(true),
    want: ['near:eth0 out', 'a:veth(near) in', 'a:bridge in dst dport', 'a:uplink out src sport ttl mac', 'ext:uplink in'],
  },
  'NodePort at another node': {
    journey: { from: outside, to: far, entry: 'a', redirectedOn: 'a' },
    service: there(true),
    want: ['ext:uplink out', 'a:uplink in', 'a:vxlan out dst dport src sport ttl mac', ...tunnel.slice(1), ...intoFar],
  },
  'NodePort at another node, back': {
    journey: { from: far, to: outside, redirectedOn: 'a' },
    service: back(true),
    want: [...fromFar, 'a:uplink out dst dport src sport ttl mac', 'ext:uplink in'],
  },
  'rejected on the client’s node': {
    journey: { from: client, to: nodeA, entry: 'a' },
    want: ['client:eth0 out', 'a:veth(client) in', 'a:bridge in'],
  },
  'the rejection': { journey: { from: nodeA, to: client }, want: ['a:bridge out mac', 'a:veth(client) out', 'client:eth0 in'] },
}

const text = ({ place, dir, changed, maybe, isOptional }: HopStep): string => {
  const where = `${place.owner}:${place.port}${place.pod === undefined ? '' : `(${place.pod})`} ${dir}`
  const line = [where, ...changed, ...maybe.map(change => `${change}?`)].join(' ')
  return isOptional ? `(${line})` : line
}

for (const [name, { journey, isFiltered = true, service, want }] of Object.entries(cases)) {
  t.test(name, async t => {
    const steps = datapathPath({ ...journey, bridgeNetfilter: () => isFiltered })
    const hops = service === undefined ? untranslated(steps) : translateService(steps, service, service.direction)
    t.strictSame(hops.map(text), want)
  })
}

/** The places between two Pods, by datapath; `segments`: the nodes stand on two, joined by host r. */
const ways: readonly { datapath: NonNullable<Journey['datapath']>; segments: boolean; want: readonly string[] }[] = [
  { datapath: 'routed', segments: false, want: ['a:uplink out ttl mac', 'b:uplink in', 'b:bridge out ttl mac'] },
  {
    datapath: 'routed',
    segments: true,
    want: ['a:uplink out ttl mac', 'r:uplink in', 'r:uplink out ttl mac', 'b:uplink in', 'b:bridge out ttl mac'],
  },
  { datapath: 'mixed', segments: false, want: ['a:uplink out ttl mac', 'b:uplink in', 'b:bridge out ttl mac'] },
  {
    datapath: 'mixed',
    segments: true,
    want: [
      'a:vxlan out ttl mac',
      'a:uplink out encap',
      'r:uplink in',
      'r:uplink out',
      'b:uplink in',
      'b:vxlan in decap',
      'b:bridge out ttl mac',
    ],
  },
  { datapath: 'bridge', segments: false, want: ['a:bridge out ttl mac', 'a:uplink out', 'b:uplink in'] },
]

t.test('between nodes, by datapath', async t => {
  for (const { datapath, segments, want } of ways) {
    const routerBetween = () => (segments ? 'r' : undefined)
    const steps = datapathPath({ from: client, to: far, bridgeNetfilter: () => true, datapath, routerBetween })
    const hops = untranslated(steps).map(({ place, dir, changed }) => [`${place.owner}:${place.port}`, dir, ...changed].join(' '))
    t.strictSame(hops.slice(3, -2), want, `${datapath}${segments ? ' over a router' : ''}`)
  }
})
