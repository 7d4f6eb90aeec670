import t from 'tap'

import { apiRequest, openWatch } from '../../../support/api-request.js'
import { type TestApiServer, withApiServer } from '../../../support/api-server.js'

const maps = '/api/v1/namespaces/default/configmaps'
const merge = { 'content-type': 'application/merge-patch+json' }

const create = (api: TestApiServer, name: string, labels: Record<string, string> = {}) =>
  apiRequest(api, maps, { method: 'POST', body: { metadata: { name, labels } } })
const label = (api: TestApiServer, name: string, labels: Record<string, string | null>) =>
  apiRequest(api, `${maps}/${name}`, { method: 'PATCH', body: { metadata: { labels } }, headers: merge })
const remove = (api: TestApiServer, name: string) => apiRequest(api, `${maps}/${name}`, { method: 'DELETE' })
const revisionOf = async (api: TestApiServer): Promise<number> => Number((await apiRequest(api, maps)).json.metadata.resourceVersion)

t.test('a watch from a list tells everything after it, once and in order', t =>
  withApiServer(t, async api => {
    await create(api, 'before')
    const watch = await openWatch(api, `${maps}?watch=true&resourceVersion=${await revisionOf(api)}`)
    await create(api, 'a')
    await label(api, 'a', { x: '1' })
    await apiRequest(api, '/api/v1/namespaces/kube-system/configmaps', { method: 'POST', body: { metadata: { name: 'elsewhere' } } })
    await remove(api, 'a')
    const events = [await watch.next(), await watch.next(), await watch.next()]
    t.match(events, [
      { type: 'ADDED', object: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a' } } },
      { type: 'MODIFIED', object: { metadata: { labels: { x: '1' } } } },
      { type: 'DELETED', object: { metadata: { name: 'a', labels: { x: '1' } } } },
    ])
    const revisions = events.map(({ object }) => Number(object.metadata.resourceVersion))
    t.strictSame(
      revisions,
      [...new Set(revisions)].sort((a, b) => a - b),
      'revisions grow',
    )
    t.equal(revisions.at(-1), await revisionOf(api), 'a deletion bears the revision of the deletion')
    watch.close()
  }),
)

t.test('a watch without a revision starts with what is there', t =>
  withApiServer(t, async api => {
    await create(api, 'a')
    await create(api, 'b')
    const watch = await openWatch(api, `${maps}?watch=1`)
    t.match(
      [await watch.next(), await watch.next()],
      [
        { type: 'ADDED', object: { metadata: { name: 'a' } } },
        { type: 'ADDED', object: { metadata: { name: 'b' } } },
      ],
    )
    await create(api, 'c')
    t.match(await watch.next(), { type: 'ADDED', object: { metadata: { name: 'c' } } })
    watch.close()
  }),
)

t.test('a selector sees objects come and go', t =>
  withApiServer(t, async api => {
    const watch = await openWatch(api, `${maps}?watch=true&labelSelector=app%3Dweb&resourceVersion=${await revisionOf(api)}`)
    await create(api, 'a', { app: 'db' })
    await label(api, 'a', { app: 'web' })
    await label(api, 'a', { app: 'web', x: '1' })
    const { json } = await label(api, 'a', { app: 'db' })
    await remove(api, 'a')
    await create(api, 'b', { app: 'web' })
    t.match(await watch.next(), { type: 'ADDED', object: { metadata: { name: 'a', labels: { app: 'web' } } } })
    t.match(await watch.next(), { type: 'MODIFIED', object: { metadata: { labels: { x: '1' } } } })
    t.match(
      await watch.next(),
      {
        type: 'DELETED',
        object: { metadata: { labels: { app: 'web', x: '1' }, resourceVersion: json.metadata.resourceVersion } },
      },
      'what leaves is shown as it was last seen, at the revision of its leaving',
    )
    t.match(await watch.next(), { type: 'ADDED', object: { metadata: { name: 'b' } } })
    watch.close()
  }),
)

t.test('a watch of one name, by its path', t =>
  withApiServer(t, async api => {
    const watch = await openWatch(api, `${maps}/b?watch=true&resourceVersion=${await revisionOf(api)}`)
    await create(api, 'a')
    await create(api, 'b')
    t.match(await watch.next(), { type: 'ADDED', object: { metadata: { name: 'b' } } })
    watch.close()
  }),
)

t.test('initial events end with a bookmark that says so', t =>
  withApiServer(t, async api => {
    await create(api, 'a')
    const options = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
    const watch = await openWatch(api, `${maps}?${options}`)
    t.match(await watch.next(), { type: 'ADDED', object: { metadata: { name: 'a' } } })
    t.match(await watch.next(), {
      type: 'BOOKMARK',
      object: {
        kind: 'ConfigMap',
        metadata: { resourceVersion: String(await revisionOf(api)), annotations: { 'k8s.io/initial-events-end': 'true' } },
      },
    })
    watch.close()
    t.equal((await apiRequest(api, `${maps}?watch=true&sendInitialEvents=true`)).status, 422)
    t.equal((await apiRequest(api, `${maps}?watch=true&resourceVersionMatch=NotOlderThan`)).status, 422)
  }),
)

t.test('a watch ends after its time with a bookmark, and goes on from it', t =>
  withApiServer(t, async api => {
    await create(api, 'a')
    const revision = await revisionOf(api)
    const watch = await openWatch(api, `${maps}?watch=true&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=${revision}`)
    const bookmark = await watch.next()
    t.match(bookmark, { type: 'BOOKMARK', object: { metadata: { resourceVersion: String(revision) } } })
    await watch.ended
    await create(api, 'b')
    const again = await openWatch(api, `${maps}?watch=true&resourceVersion=${bookmark.object.metadata.resourceVersion}`)
    t.match(await again.next(), { type: 'ADDED', object: { metadata: { name: 'b' } } })
    again.close()
  }),
)

t.test('a watch goes on after a restart of the server, and learns when it is too late', t =>
  withApiServer(t, async api => {
    await create(api, 'a')
    const revision = await revisionOf(api)
    const watch = await openWatch(api, `${maps}?watch=true&resourceVersion=${revision}`)
    await create(api, 'b')
    await watch.next()
    await api.restart()
    await watch.ended
    const again = await openWatch(api, `${maps}?watch=true&resourceVersion=${revision}`)
    t.match(await again.next(), { type: 'ADDED', object: { metadata: { name: 'b' } } }, 'nothing was skipped')
    again.close()

    await api.store.compact(api.store.revision)
    await api.restart()
    const late = await openWatch(api, `${maps}?watch=true&resourceVersion=${revision - 1}`)
    t.match(await late.next(), { type: 'ERROR', object: { kind: 'Status', reason: 'Expired', code: 410 } })
    await late.ended
  }),
)

t.test('events as rows of a Table', t =>
  withApiServer(t, async api => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
    const watch = await openWatch(api, `${maps}?watch=true`, { accept })
    await create(api, 'a')
    await create(api, 'b')
    t.match(await watch.next(), {
      type: 'ADDED',
      object: {
        kind: 'Table',
        columnDefinitions: [{ name: 'Name' }, { name: 'Data' }, { name: 'Age' }],
        rows: [{ cells: ['a', 0, /s$/] }],
      },
    })
    t.match(await watch.next(), {
      object: { columnDefinitions: null, rows: [{ cells: ['b', 0, /s$/], object: { kind: 'PartialObjectMetadata' } }] },
    })
    watch.close()
  }),
)

t.test('many watchers see the same order', t =>
  withApiServer(t, async api => {
    const revision = await revisionOf(api)
    const watches = await Promise.all(Array.from({ length: 8 }, () => openWatch(api, `${maps}?watch=true&resourceVersion=${revision}`)))
    await Promise.all(Array.from({ length: 30 }, (_, i) => create(api, `map-${i}`)))
    const seen = await Promise.all(
      watches.map(async watch => {
        const names: string[] = []
        for (let i = 0; i < 30; i++) names.push((await watch.next()).object.metadata.name)
        return names
      }),
    )
    t.equal(new Set(seen[0]).size, 30)
    for (const names of seen) t.strictSame(names, seen[0])
    for (const watch of watches) watch.close()
  }),
)
