import t from 'tap'
import { configmaps } from '../../../src/api/generated/resources.js'
import type { ConfigMap } from '../../../src/api/generated/types.js'
import { PodwireError } from '../../../src/base/errors/podwire-error.js'
import type { Client, ListOptions, WatchEvent, WatchOptions } from '../../../src/client/client.js'
import { createClient } from '../../../src/client/http-client.js'
import { createInformer } from '../../../src/client/http-informer.js'
import { loadKubeconfig } from '../../../src/client/kubeconfig.js'
import { waitForInformer } from '../../../src/client/wait-for.js'
import { withApiServer } from '../../support/api-server.js'
import { heldClock } from '../../support/held-clock.js'

const object = (name: string, version: number, uid = name): ConfigMap => ({
  metadata: { name, namespace: 'd', uid, resourceVersion: String(version) },
})

/** A client whose every list and watch the test answers. */
function scripted() {
  const lists: ((page: { items: ConfigMap[]; version: string; next?: string } | Error) => void)[] = []
  const watches: { options: WatchOptions; send: (event: WatchEvent<ConfigMap>) => void; end: (error?: Error) => void }[] = []
  const client = {
    list: (_resource: unknown, _options: ListOptions, signal: AbortSignal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        lists.push(page => {
          if (page instanceof Error) reject(page)
          else resolve({ items: page.items, metadata: { resourceVersion: page.version, ...(page.next && { continue: page.next }) } })
        })
      }),
    async *watch(_resource: unknown, options: WatchOptions, signal: AbortSignal) {
      const queue: (WatchEvent<ConfigMap> | Error | 'end')[] = []
      let wake = () => {}
      const push = (entry: WatchEvent<ConfigMap> | Error | 'end') => {
        queue.push(entry)
        wake()
      }
      signal.addEventListener('abort', () => push(new Error('aborted')), { once: true })
      watches.push({ options, send: push, end: error => push(error ?? 'end') })
      for (;;) {
        const next = queue.shift()
        if (next === 'end') return
        if (next instanceof Error) throw next
        if (next) yield next
        else await new Promise<void>(resolve => (wake = resolve))
      }
    },
  } as unknown as Client
  return { client, lists, watches }
}

function start() {
  const { client, lists, watches } = scripted()
  const clock = heldClock()
  const errors: unknown[] = []
  const informer = createInformer(client, configmaps, { clock, onError: error => errors.push(error), labelSelector: 'a=b' })
  const keys: string[] = []
  informer.onChange(key => keys.push(key))
  const stop = new AbortController()
  const done = informer.run(stop.signal)
  return { informer, lists, watches, clock, errors, stop, done, keys: () => keys.splice(0).sort() }
}

t.test('lists in pieces, then follows from the revision of the list', async t => {
  const { informer, lists, watches, clock, keys, stop, done } = start()
  t.notOk(informer.isSynced)
  lists[0]!({ items: [object('a', 1)], version: '5', next: 'more' })
  await clock.settle()
  t.notOk(informer.isSynced, 'half a list is no copy')
  t.strictSame(keys(), [])
  lists[1]!({ items: [object('b', 2)], version: '5' })
  await informer.synced
  await clock.settle()
  t.strictSame(keys(), ['d/a', 'd/b'])
  t.match(watches[0]!.options, { resourceVersion: '5', labelSelector: 'a=b', allowWatchBookmarks: true })
  watches[0]!.send({ type: 'MODIFIED', object: object('a', 6) })
  watches[0]!.send({ type: 'DELETED', object: object('b', 7) })
  watches[0]!.send({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } })
  await clock.settle()
  t.strictSame(keys(), ['d/a', 'd/b'])
  t.equal(informer.get('d/a')?.metadata?.resourceVersion, '6')
  t.strictSame(informer.list().length, 1)
  watches[0]!.end()
  await clock.advance(200)
  t.equal(watches[1]!.options.resourceVersion, '9', 'an ended watch goes on after its bookmark, without a list')
  t.equal(lists.length, 2)
  stop.abort()
  await done
})

t.test('a broken watch: it lists again and tells only what changed meanwhile', async t => {
  const { informer, lists, watches, clock, errors, keys, stop, done } = start()
  lists[0]!({ items: [object('same', 1), object('changed', 1), object('gone', 1), object('replaced', 1, 'old')], version: '5' })
  await clock.settle()
  keys()
  t.equal(informer.staleMs(), 0)
  watches[0]!.end(new Error('reset'))
  await clock.settle()
  t.equal(informer.list().length, 4, 'the copy stays meanwhile')
  await clock.advance(100)
  t.equal(informer.staleMs(), 100, 'and says how old it is')
  lists[1]!({ items: [object('same', 1), object('changed', 8), object('new', 9), object('replaced', 1, 'new')], version: '9' })
  await clock.settle()
  t.strictSame(keys(), ['d/changed', 'd/gone', 'd/new', 'd/replaced'])
  t.equal(errors.length, 1)
  stop.abort()
  await done
})

t.test('failures wait longer and longer, and never end it; a compacted revision lists at once', async t => {
  const { lists, watches, clock, errors, stop, done } = start()
  for (let i = 0; i < 12; i++) {
    lists[i]!(new PodwireError('API_UNREACHABLE', 'away'))
    await clock.advance(10_000)
  }
  t.equal(errors.length, 12)
  t.equal(lists.length, 13)
  lists[12]!({ items: [], version: '5' })
  await clock.advance(6_000)
  watches[0]!.end(new PodwireError('REVISION_TOO_OLD', 'compacted'))
  await clock.settle()
  t.equal(lists.length, 14, 'without any wait')
  stop.abort()
  await done
  t.equal(clock.sleepers, 0)
})

t.test('the real server stopped and started again: nothing is lost', async t => {
  await withApiServer(t, async api => {
    const client = createClient(loadKubeconfig(api.kubeconfig))
    const stop = new AbortController()
    const informer = createInformer(client, configmaps, { namespace: 'default' })
    const done = informer.run(stop.signal)
    const names = () => informer.list().map(({ metadata }) => metadata?.name)
    const until = (what: string, isMet: () => boolean) => waitForInformer(informer, isMet, { what, timeoutMs: 15_000 }, stop.signal)
    try {
      await client.create(configmaps, { metadata: { name: 'before', namespace: 'default' } })
      await until('before', () => names().includes('before'))
      await api.restart()
      const again = createClient(loadKubeconfig(api.kubeconfig))
      await again.create(configmaps, { metadata: { name: 'after', namespace: 'default' } })
      await again.delete(configmaps, { namespace: 'default', name: 'before' })
      await until('after without before', () => names().includes('after') && !names().includes('before'))
      again.close()
    } finally {
      stop.abort()
      await done
      client.close()
    }
  })
})
