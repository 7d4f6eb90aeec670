import t from 'tap'
import { askServer } from '../../../src/dns/ask-server.js'
import { createDnsMetrics } from '../../../src/dns/dns-metrics.js'
import { emptyReply } from '../../../src/dns/resolve.js'
import { type RunOptions, runServers } from '../../../src/dns/run-servers.js'
import { freePort } from '../../support/free-port.js'

const answering = (data: string) => (query: { readonly name: string }) =>
  Promise.resolve({ ...emptyReply('NOERROR'), answers: [{ name: query.name, type: 'A' as const, ttl: 5, data }] })

t.test('a new version takes the place of the old, a broken one does not, and the end waits as long as it should', async t => {
  const [port, healthPort, readyPort, metricsPort] = [await freePort(), await freePort(), await freePort(), await freePort()]
  const versions: Record<string, string> = { one: '192.0.2.1', two: '192.0.2.2' }
  let version = 'one'
  const stop = new AbortController()
  const errors = signals<unknown>()
  const servings = signals<readonly number[]>()
  const options: RunOptions = {
    version: () => version,
    build: () => {
      const data = versions[version]
      if (data === undefined) throw new Error(`${version} is broken`)
      const servers = [{ port, resolve: answering(data) }]
      return { servers, health: { port: healthPort, lameduckMs: 300 }, readyPort, metricsPort, reloadMs: 10 }
    },
    address: '127.0.0.1',
    isReady: () => true,
    metrics: createDnsMetrics(),
    onError: errors.give,
    onServing: servings.give,
  }
  const asked = async () => {
    const { answers } = await askServer({ address: '127.0.0.1', port, name: 'a.test', type: 'A' }, 2000, new AbortController().signal)
    return answers?.map(answer => 'data' in answer && answer.data)
  }
  const status = async (at: number, path: string) => (await fetch(`http://127.0.0.1:${at}${path}`)).status

  const running = runServers(options, stop.signal)
  t.strictSame(await servings.next(), [port])
  t.strictSame(await asked(), ['192.0.2.1'])
  version = 'none'
  t.match(await errors.next(), { message: 'none is broken' })
  t.strictSame(await asked(), ['192.0.2.1'], 'the old one stays')
  version = 'two'
  await servings.next()
  t.strictSame(await asked(), ['192.0.2.2'])
  t.strictSame(await Promise.all([status(healthPort, '/health'), status(readyPort, '/ready'), status(readyPort, '/')]), [200, 200, 404])
  t.equal(await status(metricsPort, '/metrics'), 200)

  stop.abort()
  t.strictSame(await Promise.all([status(readyPort, '/ready'), status(healthPort, '/health')]), [503, 200])
  t.strictSame(await asked(), ['192.0.2.2'], 'still answered')
  await running
  await t.rejects(status(healthPort, '/health'))
})

/** Values that are given now and asked for later, or the other way round. */
function signals<T>(): { give(value: T): void; next(): Promise<T> } {
  const given: T[] = []
  const waiting: ((value: T) => void)[] = []
  return {
    give: value => {
      const taker = waiting.shift()
      if (taker) taker(value)
      else given.push(value)
    },
    next: () => (given.length > 0 ? Promise.resolve(given.shift()!) : new Promise(resolve => waiting.push(resolve))),
  }
}
