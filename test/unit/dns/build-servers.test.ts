import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RecordType } from 'dns-packet'

import t from 'tap'

import { buildServers } from '../../../src/dns/build-servers.js'
import { cachePlugin } from '../../../src/dns/cache-plugin.js'
import { createDnsMetrics } from '../../../src/dns/dns-metrics.js'
import type { ChainParts } from '../../../src/dns/handler.js'
import { emptyReply, type Resolve } from '../../../src/dns/resolve.js'
import { serveDns } from '../../../src/dns/serve-dns.js'
import { indexZone } from '../../../src/dns/zone-index.js'
import { clusterServices, clusterSlices, dnsCluster } from '../../support/dns-cluster.js'
import { objectSource } from '../../support/object-source.js'

const folder = t.testdir()
const stop = new AbortController()
t.teardown(() => stop.abort())

function build(text: string, parts: Partial<ChainParts> = {}) {
  const file = join(folder, 'Corefile')
  writeFileSync(file, text)
  const index = indexZone(objectSource(clusterServices), objectSource(clusterSlices))
  const quiet = { onError: () => undefined, onReply: () => undefined, onFatal: () => undefined }
  return buildServers(file, { index, isReady: () => true, metrics: createDnsMetrics(), ...quiet, ...parts }, stop.signal)
}
const ask = (resolve: Resolve, name: string, type: RecordType = 'A') => resolve({ name, type, transport: 'udp' })
const only = (text: string): Resolve => build(text).servers[0]!.resolve

t.test('the cluster answers for its zone, another server for the rest', async t => {
  const onError = (error: unknown) => t.fail(String(error))
  const port = await serveDns({ address: '127.0.0.1', port: 0, resolve: dnsCluster().resolve, onError }, stop.signal)
  const { servers, health, readyPort } = build(`.:5353 {
    forward . 127.0.0.1:${port} # order in the file does not matter
    kubernetes lab.test { ttl 30 }
    cache 30
    loadbalance
    log
    errors
  }`)
  const [{ resolve, port: own }] = servers as [(typeof servers)[number]]
  t.equal(own, 5353)
  t.strictSame([health, readyPort], [undefined, undefined])
  t.match(await ask(resolve, 'web.shop.svc.lab.test'), { rcode: 'NOERROR', answers: [{ data: '10.96.0.20', ttl: 30 }] })
  t.match(await ask(resolve, 'web.shop.svc.cluster.local'), { rcode: 'NOERROR', answers: [{ data: '10.96.0.20' }] })
  t.equal((await ask(resolve, 'nobody.shop.svc.cluster.local')).rcode, 'NXDOMAIN')
})

t.test('what is no Corefile of ours is refused by its place', async t => {
  for (const [text, message] of [
    ['.:53 {\n  kubernets\n}', /Corefile:2:3: unknown directive kubernets, did you mean kubernetes\?/],
    ['.:53 {\n  errors\n', /Corefile:1:6: this block is not closed/],
    ['.:53 {\n  cache soon\n}', /Corefile:2:3: cache: soon is no whole number/],
    ['.:53 {\n  forward . nowhere\n}', /Corefile:2:3: forward: nowhere is neither/],
    ['.:53 {\n  kubernetes {\n    pods verified\n  }\n}', /Corefile:3:5: pods: verified is not there; write disabled or insecure/],
    ['.:53 {\n  kubernetes\n}', /Corefile:2:3: kubernetes: names no zone/],
    ['.:53 {\n  kubernetes a.test {\n    ttl 3601\n  }\n}', /Corefile:3:5: ttl: 3601 is not from 0 to 3600/],
    ['.:53 {\n  kubernetes a.test {\n    ttl 1\n    ttl 2\n  }\n}', /Corefile:4:5: ttl: is said already, at .*Corefile:3:5/],
    ['.:53 {\n  forward . /no/such/file\n}', /Corefile:2:3: forward: \/no\/such\/file cannot be read: ENOENT/],
    ['.:53 {\n  errors\n  errors\n}', /Corefile:3:3: errors: is said in this block already, at .*Corefile:2:3/],
    ['.:53 {\n  log a b\n}', /Corefile:2:3: log: a is one argument too many/],
    ['.:53 {\n  health 8080\n}', /Corefile:2:3: health: 8080 is no port, as :8080/],
    ['.:53 {\n  hosts {\n    192.0.2.1\n  }\n}', /Corefile:3:5: 192.0.2.1: has no name/],
    ['.:53 {\n  rewrite type A AAAA\n}', /Corefile:2:3: rewrite: rewrites names only, not type/],
    ['.:53 {\n  rewrite name regex ( x\n}', /Corefile:2:3: rewrite: Invalid regular expression/],
    ['a.test {\n}\nA.test. {\n}', /Corefile:3:1: a.test.:53 is served by the block at .*Corefile:1:1 already/],
    ['.:53 {\n  health {\n    lameduck long\n  }\n}', /Corefile:3:5: lameduck: long is no duration/],
    ['.:53 {\n  reload 1s\n}', /Corefile:2:3: reload: 1s is no duration of at least 2s/],
    ['a.test {\n  prometheus :1\n}\nb.test {\n  prometheus :2\n}', /Corefile:5:3: prometheus: is another port than at .*Corefile:2:3/],
    ['.:53 {\n  cache {\n    disable all\n  }\n}', /Corefile:3:5: disable: all is neither success nor denial/],
    ['# nothing', /Corefile has no server block/],
  ] as const)
    t.throws(() => build(text), { code: 'CONFIG_INVALID', message })
})

t.test('the cache keeps an answer for its TTL, older each time', async t => {
  let now = 0
  let asked = 0
  const resolve = cachePlugin({ successSeconds: 60, denialSeconds: 60, capacity: 2, now: () => now })(({ name }) => {
    asked++
    return Promise.resolve({ ...emptyReply('NOERROR'), answers: [{ name, type: 'A', ttl: 5, data: '192.0.2.1' }] })
  })
  await ask(resolve, 'a.test')
  now = 2000
  t.match(await ask(resolve, 'A.test'), { answers: [{ name: 'A.test', ttl: 3 }] })
  t.equal(asked, 1)
  now = 5000
  await ask(resolve, 'a.test')
  t.equal(asked, 2)
})

t.test('the longest zone of a port answers, and every port is served', async t => {
  const { servers, health, readyPort } = build(`
    . { 
      hosts { 
        192.0.2.1 any.test
      }
      health
    }
    shop.test, other.test:5353 {
      hosts {
        192.0.2.2 any.shop.test any.other.test
      }
      ready :8282
    }`)
  t.strictSame([servers.map(({ port }) => port), health?.port, readyPort], [[53, 5353], 8080, 8282])
  const [usual, second] = servers.map(({ resolve }) => resolve) as [Resolve, Resolve]
  t.match(await ask(usual, 'any.test'), { answers: [{ data: '192.0.2.1' }] })
  t.match(await ask(usual, 'any.SHOP.test'), { answers: [{ name: 'any.SHOP.test', data: '192.0.2.2' }] })
  t.match(await ask(second, 'any.other.test'), { answers: [{ data: '192.0.2.2' }] })
  t.equal((await ask(second, 'any.test')).rcode, 'REFUSED')
})

t.test('hosts know names, addresses and what they do not know', async t => {
  const resolve = only(`.:53 {
    hosts {
      192.0.2.7 db.test DB2.test
      2001:db8::7 db.test
      ttl 60
      fallthrough else.test
    }
  }`)
  t.match(await ask(resolve, 'db.test'), { isAuthoritative: true, answers: [{ type: 'A', data: '192.0.2.7', ttl: 60 }] })
  t.match(await ask(resolve, 'db.test', 'AAAA'), { answers: [{ type: 'AAAA', data: '2001:db8::7' }] })
  t.match(await ask(resolve, 'db.test', 'MX'), { rcode: 'NOERROR', answers: [] })
  t.match(await ask(resolve, 'db2.test', 'AAAA'), { rcode: 'NOERROR', answers: [] })
  t.strictSame(
    (await ask(resolve, '7.2.0.192.in-addr.arpa', 'PTR')).answers.map(answer => 'data' in answer && answer.data),
    ['db.test', 'db2.test'],
  )
  t.equal((await ask(resolve, '8.2.0.192.in-addr.arpa', 'PTR')).rcode, 'REFUSED', 'asked further')
  t.equal((await ask(resolve, 'nobody.test')).rcode, 'SERVFAIL')
  t.equal((await ask(resolve, 'nobody.else.test')).rcode, 'REFUSED', 'asked further')
})

t.test('names are rewritten on the way in and back', async t => {
  const resolve = only(`.:53 {
    rewrite name old.test new.test
    rewrite continue name suffix .from.test .mid.test
    rewrite name regex (.*)\\.mid\\.test {1}.to.test
    rewrite name prefix www. web.
    rewrite name substring -x- -y-
    hosts {
      192.0.2.1 new.test
      192.0.2.2 a.to.test
      192.0.2.3 web.test
      192.0.2.4 a-y-b.test
    }
  }`)
  for (const [name, data] of [
    ['OLD.test', '192.0.2.1'],
    ['a.from.test', '192.0.2.2'],
    ['www.test', '192.0.2.3'],
    ['a-x-b.test', '192.0.2.4'],
  ] as const)
    t.match(await ask(resolve, name), { answers: [{ name, data }] }, name)
})

t.test('Pods by their address, and names that are none of the cluster', async t => {
  const resolve = only(`.:53 {
    kubernetes lab.test 10.in-addr.arpa {
      pods insecure
      fallthrough 10.in-addr.arpa
    }
    hosts {
      10.9.9.9 outside.test
      fallthrough
    }
  }`)
  t.match(await ask(resolve, '10-244-1-5.shop.pod.lab.test'), { answers: [{ type: 'A', data: '10.244.1.5' }] })
  t.match(await ask(resolve, 'fd00--5.shop.pod.lab.test', 'AAAA'), { answers: [{ type: 'AAAA', data: 'fd00::5' }] })
  t.match(await ask(resolve, '10-244-1-5.shop.pod.lab.test', 'AAAA'), {
    rcode: 'NOERROR',
    answers: [],
    authorities: [{ name: 'lab.test' }],
  })
  t.equal((await ask(resolve, 'web.shop.pod.lab.test')).rcode, 'NXDOMAIN')
  t.equal((await ask(resolve, 'nobody.shop.svc.lab.test')).rcode, 'NXDOMAIN', 'no fallthrough for this zone')
  t.equal((await ask(resolve, '20.0.96.10.in-addr.arpa', 'PTR')).rcode, 'NOERROR')
  t.equal((await ask(resolve, '8.9.9.10.in-addr.arpa', 'PTR')).rcode, 'REFUSED', 'unknown there, asked further')
  t.equal((await ask(resolve, '1.2.0.192.in-addr.arpa', 'PTR')).rcode, 'REFUSED', 'no zone of the cluster')
  const without = only('.:53 {\n  kubernetes lab.test\n}')
  t.equal((await ask(without, '10-244-1-5.shop.pod.lab.test')).rcode, 'NXDOMAIN')
})

t.test('the Corefile that clusters come with is served', async t => {
  const metrics = createDnsMetrics()
  const resolvConf = join(folder, 'resolv.conf')
  writeFileSync(resolvConf, 'nameserver 192.0.2.1\n')
  const served = build(
    `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . ${resolvConf} {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    reload
    loadbalance
}`,
    { metrics },
  )
  t.match(served, { health: { port: 8080, lameduckMs: 5000 }, readyPort: 8181, metricsPort: 9153, reloadMs: 30_000 })
  t.match(await ask(served.servers[0]!.resolve, 'web.shop.svc.cluster.local'), { answers: [{ data: '10.96.0.20', ttl: 30 }] })
  await ask(served.servers[0]!.resolve, 'nobody.shop.svc.cluster.local')
  const text = await metrics.registry.metrics()
  t.match(text, 'coredns_dns_requests_total{server="dns://:53",zone=".",view="",proto="udp",family="1",type="A"} 2')
  t.match(text, 'coredns_dns_responses_total{server="dns://:53",zone=".",view="",rcode="NXDOMAIN",plugin=""} 1')
  t.match(text, 'coredns_dns_request_duration_seconds_count{server="dns://:53",zone=".",view=""} 2')
})

t.test('answers of a zone whose cache is off are asked for each time', async t => {
  let asked = 0
  const uncached = { success: ['off.test'], denial: [] }
  const resolve = cachePlugin({ successSeconds: 60, denialSeconds: 60, capacity: 9, uncached, now: () => 0 })(({ name }) => {
    asked++
    return Promise.resolve({ ...emptyReply('NOERROR'), answers: [{ name, type: 'A', ttl: 5, data: '192.0.2.1' }] })
  })
  for (const name of ['a.off.test', 'a.off.test', 'a.on.test', 'a.on.test']) await ask(resolve, name)
  t.equal(asked, 3)
})

t.test('a server that forwards to itself finds that out', async t => {
  let resolve: Resolve = () => Promise.resolve(emptyReply('REFUSED'))
  const onError = (error: unknown) => t.fail(String(error))
  const port = await serveDns({ address: '127.0.0.1', port: 0, resolve: query => resolve(query), onError }, stop.signal)
  const found = new Promise(onFatal => {
    resolve = build(`.:53 {\n  loop\n  forward . 127.0.0.1:${port}\n}`, { onFatal }).servers[0]!.resolve
  })
  t.match(await found, { code: 'CONFIG_INVALID', message: /come back to this server/ })
})
