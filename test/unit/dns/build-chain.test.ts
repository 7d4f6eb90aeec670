import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import t from 'tap'

import { buildChain } from '../../../src/dns/build-chain.js'
import { cachePlugin } from '../../../src/dns/cache-plugin.js'
import { emptyReply, type Resolve } from '../../../src/dns/resolve.js'
import { serveDns } from '../../../src/dns/serve-dns.js'
import { indexZone } from '../../../src/dns/zone-index.js'
import { clusterServices, clusterSlices, dnsCluster } from '../../support/dns-cluster.js'
import { objectSource } from '../../support/object-source.js'

const folder = t.testdir()
const stop = new AbortController()
t.teardown(() => stop.abort())

function build(text: string) {
  const file = join(folder, 'Corefile')
  writeFileSync(file, text)
  const index = indexZone(objectSource(clusterServices), objectSource(clusterSlices))
  return buildChain(file, { index, isReady: () => true, onError: () => undefined, onReply: () => undefined }, stop.signal)
}
const ask = (resolve: Resolve, name: string) => resolve({ name, type: 'A', transport: 'udp' })

t.test('the cluster answers for its zone, another server for the rest', async t => {
  const onError = (error: unknown) => t.fail(String(error))
  const port = await serveDns({ address: '127.0.0.1', port: 0, resolve: dnsCluster().resolve, onError }, stop.signal)
  const { resolve, port: own } = build(`.:5353 {
    forward . 127.0.0.1:${port} # order in the file does not matter
    kubernetes lab.test { ttl 30 }
    cache 30
    loadbalance
    log
    errors
  }`)
  t.equal(own, 5353)
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
    ['.:53 {\n  kubernetes {\n    pods verified\n  }\n}', /Corefile:3:5: pods: is no option of kubernetes/],
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
