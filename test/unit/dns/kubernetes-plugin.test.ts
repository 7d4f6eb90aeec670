import type { Answer, RecordType } from 'dns-packet'
import t from 'tap'

import { dnsCluster, service, slice } from '../../support/dns-cluster.js'

/** A record as `TYPE data`, with the owner's name when it differs from the question. */
function text(asked: string, record: Answer): string {
  const data =
    record.type === 'SRV'
      ? `${record.data.priority} ${record.data.weight} ${record.data.port} ${record.data.target}`
      : String('data' in record ? record.data : '')
  const owner = 'name' in record && record.name !== asked ? `${record.name} ` : ''
  return `${owner}${record.type} ${data}`
}

interface Case {
  readonly rule: string
  readonly ask: readonly [string, RecordType]
  readonly want: readonly string[] | 'NXDOMAIN' | 'NODATA' | 'REFUSED'
  readonly additionals?: readonly string[]
}

const zone = 'cluster.local'
const cases: readonly Case[] = [
  { rule: 'S1 schema version', ask: [`dns-version.${zone}`, 'TXT'], want: ['TXT 1.1.0'] },
  { rule: 'S2 ClusterIP, IPv4', ask: [`web.shop.svc.${zone}`, 'A'], want: ['A 10.96.0.20'] },
  { rule: 'S2 ClusterIP, IPv6', ask: [`web.shop.svc.${zone}`, 'AAAA'], want: ['AAAA fd00::20'] },
  { rule: 'S2 other types exist not', ask: [`web.shop.svc.${zone}`, 'MX'], want: 'NODATA' },
  { rule: 'S2 unknown Service', ask: [`nobody.shop.svc.${zone}`, 'A'], want: 'NXDOMAIN' },
  { rule: 'S2 unknown namespace', ask: [`web.nowhere.svc.${zone}`, 'A'], want: 'NXDOMAIN' },
  {
    rule: 'S3 named port',
    ask: [`_http._tcp.web.shop.svc.${zone}`, 'SRV'],
    want: [`SRV 0 100 80 web.shop.svc.${zone}`],
    additionals: [`web.shop.svc.${zone} A 10.96.0.20`, `web.shop.svc.${zone} AAAA fd00::20`],
  },
  { rule: 'S3 wrong protocol', ask: [`_http._udp.web.shop.svc.${zone}`, 'SRV'], want: 'NXDOMAIN' },
  { rule: 'S3 unknown port', ask: [`_ssh._tcp.web.shop.svc.${zone}`, 'SRV'], want: 'NXDOMAIN' },
  { rule: 'S3 the protocol alone is an empty name', ask: [`_tcp.web.shop.svc.${zone}`, 'SRV'], want: 'NODATA' },
  { rule: 'S4 reverse, IPv4', ask: ['20.0.96.10.in-addr.arpa', 'PTR'], want: [`PTR web.shop.svc.${zone}`] },
  {
    rule: 'S4 reverse, IPv6',
    ask: ['0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa', 'PTR'],
    want: [`PTR web.shop.svc.${zone}`],
  },
  { rule: 'S4 reverse of an unknown address', ask: ['9.9.9.9.in-addr.arpa', 'PTR'], want: 'NXDOMAIN' },
  { rule: 'S4 a part of an address is an empty name', ask: ['96.10.in-addr.arpa', 'PTR'], want: 'NODATA' },
  { rule: 'S5 headless: the ready endpoints', ask: [`db.shop.svc.${zone}`, 'A'], want: ['A 10.244.1.5', 'A 10.244.2.6'] },
  { rule: 'S5 headless: none ready', ask: [`idle.shop.svc.${zone}`, 'A'], want: 'NXDOMAIN' },
  { rule: 'S6 endpoint by hostname', ask: [`db-0.db.shop.svc.${zone}`, 'A'], want: ['A 10.244.1.5'] },
  { rule: 'S6 endpoint by its own id', ask: [`10-244-2-6.db.shop.svc.${zone}`, 'A'], want: ['A 10.244.2.6'] },
  { rule: 'S6 endpoint that is not ready', ask: [`db-2.db.shop.svc.${zone}`, 'A'], want: 'NXDOMAIN' },
  { rule: 'S6 no endpoints below a ClusterIP', ask: [`db-0.web.shop.svc.${zone}`, 'A'], want: 'NXDOMAIN' },
  {
    rule: 'S7 one SRV an endpoint',
    ask: [`_pg._tcp.db.shop.svc.${zone}`, 'SRV'],
    want: [`SRV 0 50 5432 db-0.db.shop.svc.${zone}`, `SRV 0 50 5432 10-244-2-6.db.shop.svc.${zone}`],
    additionals: [`db-0.db.shop.svc.${zone} A 10.244.1.5`, `10-244-2-6.db.shop.svc.${zone} A 10.244.2.6`],
  },
  { rule: 'S7 none ready', ask: [`_http._tcp.idle.shop.svc.${zone}`, 'SRV'], want: 'NXDOMAIN' },
  { rule: 'S8 reverse of a ready endpoint', ask: ['5.1.244.10.in-addr.arpa', 'PTR'], want: [`PTR db-0.db.shop.svc.${zone}`] },
  { rule: 'S8 reverse of an unready endpoint', ask: ['7.2.244.10.in-addr.arpa', 'PTR'], want: 'NXDOMAIN' },
  {
    rule: 'S9 ExternalName inside the cluster is followed',
    ask: [`alias.shop.svc.${zone}`, 'A'],
    want: [`CNAME web.shop.svc.${zone}`, `web.shop.svc.${zone} A 10.96.0.20`],
  },
  { rule: 'S9 ExternalName outside the cluster', ask: [`away.shop.svc.${zone}`, 'A'], want: ['CNAME example.com'] },
  { rule: 'S9 asked for the CNAME itself', ask: [`alias.shop.svc.${zone}`, 'CNAME'], want: [`CNAME web.shop.svc.${zone}`] },
  { rule: 'S10 case is kept and does not matter', ask: [`WEB.Shop.svc.Cluster.LOCAL`, 'A'], want: ['A 10.96.0.20'] },
  { rule: 'the zone itself', ask: [zone, 'A'], want: 'NODATA' },
  { rule: 'a namespace has names below it', ask: [`shop.svc.${zone}`, 'A'], want: 'NODATA' },
  { rule: 'Pod records are not in the schema', ask: [`10-244-1-5.shop.pod.${zone}`, 'A'], want: 'NXDOMAIN' },
  { rule: 'another zone', ask: ['example.com', 'A'], want: 'REFUSED' },
  { rule: 'a name that only ends like the zone', ask: [`my${zone}`, 'A'], want: 'REFUSED' },
]

for (const { rule, ask, want, additionals } of cases) {
  t.test(rule, async t => {
    const [name, type] = ask
    const reply = await dnsCluster().resolve({ name, type, transport: 'udp' })
    const negative = reply.rcode === 'NOERROR' && reply.answers.length === 0 ? 'NODATA' : reply.rcode
    if (typeof want === 'string') {
      t.equal(negative, want)
      t.strictSame(reply.answers, [])
      if (want !== 'REFUSED')
        t.strictSame(
          reply.authorities.map(({ type }) => type),
          ['SOA'],
          'a negative answer carries the SOA (RFC 2308)',
        )
    } else {
      t.equal(reply.rcode, 'NOERROR')
      t.ok(reply.isAuthoritative)
      t.strictSame(
        reply.answers.map(record => text(name, record)),
        want,
      )
      if (additionals)
        t.strictSame(
          reply.additionals.map(record => text(name, record)),
          additionals,
        )
    }
  })
}

t.test('an ExternalName that leads to itself ends', async t => {
  const reply = await dnsCluster().resolve({ name: `loop.shop.svc.${zone}`, type: 'A', transport: 'udp' })
  t.equal(reply.rcode, 'NOERROR')
  t.ok(reply.answers.length > 0 && reply.answers.length < 20, 'a bounded chain of CNAMEs')
})

t.test('before the objects are known nothing is denied', async t => {
  const { resolve } = dnsCluster(() => false)
  for (const name of [`web.shop.svc.${zone}`, '20.0.96.10.in-addr.arpa']) {
    t.equal((await resolve({ name, type: 'A', transport: 'udp' })).rcode, 'SERVFAIL', name)
  }
  t.equal((await resolve({ name: 'example.com', type: 'A', transport: 'udp' })).rcode, 'REFUSED')
})

t.test('answers follow the objects', async t => {
  const { resolve, services, slices } = dnsCluster()
  const ask = async (name: string, type: RecordType = 'A') => {
    const reply = await resolve({ name, type, transport: 'udp' })
    return reply.rcode === 'NOERROR' ? reply.answers.map(record => text(name, record)) : reply.rcode
  }
  const late = `late.shop.svc.${zone}`
  slices.put(slice('late-1', 'late', { ports: [], endpoints: [{ addresses: ['10.244.3.3'] }] }))
  t.equal(await ask(late), 'NXDOMAIN', 'a slice before its Service')
  services.put(service('late', { clusterIP: 'None' }))
  t.strictSame(await ask(late), ['A 10.244.3.3'])
  slices.put(slice('late-2', 'late', { ports: [], endpoints: [{ addresses: ['10.244.3.4'] }] }))
  t.strictSame(await ask(late), ['A 10.244.3.3', 'A 10.244.3.4'], 'the slices of a Service add up')
  slices.remove('shop/late-1')
  t.strictSame(await ask(late), ['A 10.244.3.4'])
  t.equal(await ask('3.3.244.10.in-addr.arpa', 'PTR'), 'NXDOMAIN', 'its reverse name went with it')
  services.remove('shop/late')
  t.equal(await ask(late), 'NXDOMAIN')
  t.equal(await ask('4.3.244.10.in-addr.arpa', 'PTR'), 'NXDOMAIN')
})
