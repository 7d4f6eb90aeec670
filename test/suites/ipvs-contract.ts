import type { Test } from 'tap'

import { parseIp } from '../../src/base/net/address.js'
import type { Ipvs, VirtualServer } from '../../src/kernel/ipvs.js'
import { errnoOf } from '../../src/kernel/syscalls.js'

const web: VirtualServer = { protocol: 'tcp', address: parseIp('10.96.0.10'), port: 80, scheduler: 'rr', hashesPort: false }
const near = { address: parseIp('10.244.1.5'), port: 8080, weight: 1 }
const far = { address: parseIp('10.244.2.7'), port: 8080, weight: 3 }
const idle = { activeConnections: 0, inactiveConnections: 0 }

/** What every `Ipvs` does. `open` gives one in a namespace without virtual servers. */
export async function ipvsContract(t: Test, open: () => Ipvs): Promise<void> {
  const refusal = (work: () => void): string | undefined => {
    try {
      work()
      return undefined
    } catch (error) {
      return errnoOf(error) ?? String(error)
    }
  }

  await t.test('virtual servers are listed as they were made, of both families and all protocols', async t => {
    const ipvs = open()
    const servers: readonly VirtualServer[] = [
      web,
      { ...web, protocol: 'udp', scheduler: 'wlc' },
      { ...web, protocol: 'sctp', port: 9000, scheduler: 'mh', hashesPort: true },
      { ...web, port: 81, persistenceSeconds: 10800 },
      { ...web, address: parseIp('fd00:10:96::a'), scheduler: 'sh', persistenceSeconds: 60 },
    ]
    for (const server of servers) ipvs.addServer(server)
    const sorted = (all: readonly VirtualServer[]) => all.map(server => JSON.stringify(server, Object.keys(server).sort())).sort()
    t.strictSame(sorted(ipvs.servers()), sorted(servers))
    ipvs.deleteServer({ protocol: 'tcp', address: web.address, port: 81 })
    t.equal(ipvs.servers().length, servers.length - 1)
    ipvs.flush()
    t.strictSame(ipvs.servers(), [])
    ipvs.close()
  })

  await t.test('a virtual server changes its scheduler and persistence and keeps its destinations', async t => {
    const ipvs = open()
    ipvs.addServer(web)
    ipvs.addDestination(web, near)
    const changed = { ...web, scheduler: 'wrr', persistenceSeconds: 30 }
    ipvs.changeServer(changed)
    t.strictSame(ipvs.servers(), [changed])
    t.strictSame(ipvs.destinations(web), [{ ...near, ...idle }])
    ipvs.changeServer(web)
    t.strictSame(ipvs.servers(), [web])
    ipvs.close()
  })

  await t.test('destinations come, change their weight and go', async t => {
    const ipvs = open()
    const web6 = { ...web, address: parseIp('fd00:10:96::a') }
    const near6 = { ...near, address: parseIp('fd00:10:244:1::5') }
    const byAddress = (server: VirtualServer) => [...ipvs.destinations(server)].sort((a, b) => (a.address < b.address ? -1 : 1))
    for (const server of [web, web6]) ipvs.addServer(server)
    ipvs.addDestination(web, near)
    ipvs.addDestination(web, far)
    ipvs.addDestination(web6, near6)
    t.strictSame(byAddress(web), [
      { ...near, ...idle },
      { ...far, ...idle },
    ])
    t.strictSame(byAddress(web6), [{ ...near6, ...idle }])
    ipvs.changeDestination(web, { ...far, weight: 0 })
    t.strictSame(byAddress(web)[1], { ...far, weight: 0, ...idle })
    ipvs.deleteDestination(web, near)
    t.strictSame(byAddress(web), [{ ...far, weight: 0, ...idle }])
    ipvs.deleteServer(web)
    t.strictSame(byAddress(web), [])
    ipvs.close()
  })

  await t.test('what cannot be is refused', async t => {
    const ipvs = open()
    t.equal(
      refusal(() => ipvs.addServer({ ...web, scheduler: 'nosuch' })),
      'ENOENT',
    )
    ipvs.addServer(web)
    ipvs.addDestination(web, near)
    t.equal(
      refusal(() => ipvs.addServer(web)),
      'EEXIST',
    )
    t.equal(
      refusal(() => ipvs.addDestination(web, near)),
      'EEXIST',
    )
    const absent = { ...web, port: 99 }
    for (const [what, work] of Object.entries({
      'change server': () => ipvs.changeServer(absent),
      'delete server': () => ipvs.deleteServer(absent),
      'add destination': () => ipvs.addDestination(absent, near),
      'change destination': () => ipvs.changeDestination(absent, near),
      'delete destination': () => ipvs.deleteDestination(absent, near),
    })) {
      t.equal(refusal(work), 'ESRCH', what)
    }
    t.equal(
      refusal(() => ipvs.changeDestination(web, far)),
      'ENOENT',
    )
    t.equal(
      refusal(() => ipvs.deleteDestination(web, far)),
      'ENOENT',
    )
    t.throws(() => ipvs.deleteServer(absent), { code: 'KERNEL_REFUSED', message: /10\.96\.0\.10.*99/ })
    ipvs.close()
  })

  await t.test('timeouts are set one by one', async t => {
    const ipvs = open()
    ipvs.setTimeouts({ tcp: 700, tcpFin: 60, udp: 200 })
    t.strictSame(ipvs.timeouts(), { tcp: 700, tcpFin: 60, udp: 200 })
    ipvs.setTimeouts({ tcp: 0, tcpFin: 30, udp: 0 })
    t.strictSame(ipvs.timeouts(), { tcp: 700, tcpFin: 30, udp: 200 })
    t.match(ipvs.info().version, /^\d+\.\d+\.\d+$/)
    t.ok(ipvs.info().connectionTableSize > 0)
    ipvs.close()
  })
}
