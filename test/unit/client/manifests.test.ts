import t from 'tap'
import { configmaps, events, pods } from '../../../src/api/generated/resources.js'
import { applyObjects, deleteObjects } from '../../../src/client/apply.js'
import { createEventRecorder } from '../../../src/client/event-recorder.js'
import { createClient } from '../../../src/client/http-client.js'
import { loadKubeconfig } from '../../../src/client/kubeconfig.js'
import { parseManifests } from '../../../src/client/manifests.js'
import { waitFor } from '../../../src/client/wait-for.js'
import { withApiServer } from '../../support/api-server.js'

const signal = new AbortController().signal

t.test('documents and Lists become objects with their places', async t => {
  const text = `# first
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
---
# only a comment
---
apiVersion: v1
kind: List
items:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: { name: web, namespace: shop }
  - { apiVersion: v1, kind: Service, metadata: { name: web } }
`
  t.strictSame(
    parseManifests(text, 'shop.yaml').map(({ resource, object, place }) => [resource.resource, object.metadata?.name, place]),
    [
      ['namespaces', 'shop', 'shop.yaml:2:1'],
      ['deployments', 'web', 'shop.yaml:12:5'],
      ['services', 'web', 'shop.yaml:15:5'],
    ],
  )
})

t.test('every problem is told at once, with its place', async t => {
  const text = `kind: Pod
---
apiVersion: v1
kind: Gizmo
metadata: { name: x }
---
apiVersion: v1
kind: Pod
---
- a
---
apiVersion: v1
kind: [
`
  t.throws(() => parseManifests(text, 'bad.yaml'), { code: 'CONFIG_INVALID' })
  const places = (parse(text).match(/bad\.yaml:\d+:\d+ .*/g) ?? []).map(line => line.slice(0, 40))
  t.match(places, [/:1:1 apiVersion is missing/, /:3:1 no kind Gizmo/, /:7:1 metadata.name is missing/, /:10:1 an object/, /:14:1 /])
  function parse(text: string): string {
    try {
      parseManifests(text, 'bad.yaml')
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
})

t.test('applying again changes what was applied and nothing else; deleting twice is the same as once', async t => {
  await withApiServer(t, async api => {
    const client = createClient(loadKubeconfig(api.kubeconfig))
    const manifest = (value: string) =>
      parseManifests(`{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: "${value}"}}`, 'c.yaml')
    const key = { namespace: 'default', name: 'c' }
    await applyObjects(client, manifest('1'), signal)
    t.strictSame((await client.get(configmaps, key)).data, { a: '1' })
    await client.patch(configmaps, key, { data: { b: 'of another' } }, { type: 'merge' })
    await applyObjects(client, manifest('2'), signal)
    t.strictSame((await client.get(configmaps, key)).data, { a: '2', b: 'of another' })
    await applyObjects(client, parseManifests('{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}', 'c.yaml'), signal)
    t.strictSame((await client.get(configmaps, key)).data, { b: 'of another' }, 'what is written no more is gone, what others wrote stays')
    await deleteObjects(client, manifest(''), signal)
    await deleteObjects(client, manifest(''), signal)
    t.equal((await client.list(configmaps, { fieldSelector: 'metadata.name=c' })).items.length, 0)
    const bad = parseManifests('{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: []}}', 'p.yaml')
    await t.rejects(applyObjects(client, bad, signal), { code: 'API_REFUSED', message: /^p\.yaml:1:1: / })

    await t.rejects(
      waitFor(
        client,
        { resource: pods },
        found => found.length > 0,
        { what: 'a Pod', timeoutMs: 50, describe: found => `${found.length} Pods` },
        signal,
      ),
      { code: 'TIMED_OUT', message: 'Waited 0.05 s for a Pod: 0 Pods' },
    )
    client.close()
  })
})

t.test('the same event again is counted, also after it was removed', async t => {
  await withApiServer(t, async api => {
    const client = createClient(loadKubeconfig(api.kubeconfig))
    const errors: unknown[] = []
    const recorder = createEventRecorder(client, { component: 'tester', host: 'node-1', onError: error => errors.push(error) })
    const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'default', uid: 'u' } }
    const failed = { type: 'Warning', reason: 'Failed', message: 'it did' } as const
    for (let i = 0; i < 3; i++) recorder.record(object, failed)
    recorder.record(object, { ...failed, message: 'otherwise' })
    await recorder.flush()
    const found = async () => (await client.list(events, { fieldSelector: 'involvedObject.name=p' })).items
    t.same(
      new Map((await found()).map(({ message, count }) => [message, count])),
      new Map([
        ['it did', 3],
        ['otherwise', 1],
      ]),
    )
    t.match((await found())[0], {
      involvedObject: { kind: 'Pod', uid: 'u' },
      source: { component: 'tester', host: 'node-1' },
      type: 'Warning',
    })
    for (const { metadata } of await found()) await client.delete(events, { namespace: 'default', name: metadata?.name ?? '' })
    recorder.record(object, failed)
    await recorder.flush()
    t.strictSame(
      (await found()).map(({ count }) => count),
      [1],
    )
    t.strictSame(errors, [])
    client.close()
  })
})
