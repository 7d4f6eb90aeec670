import t from 'tap'

import { apiRequest, type RawRequest } from '../../../support/api-request.js'
import { type TestApiServer, withApiServer } from '../../../support/api-server.js'

const configMap = (name: string, data: object = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data })
const pod = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: name } },
  spec: { containers: [{ name: 'main', image: 'podwire/toolbox:1' }], ...spec },
})
const maps = '/api/v1/namespaces/default/configmaps'
const pods = '/api/v1/namespaces/default/pods'

const post = (api: TestApiServer, path: string, body: object) => apiRequest(api, path, { method: 'POST', body })
const remove = (api: TestApiServer, path: string, body?: object) => apiRequest(api, path, { method: 'DELETE', ...(body && { body }) })

t.test('who may come in', t =>
  withApiServer(t, async api => {
    const anonymous = await apiRequest(api, '/api', { identity: null })
    t.match(anonymous, { status: 401, json: { kind: 'Status', status: 'Failure', reason: 'Unauthorized', code: 401 } })
    t.equal((await apiRequest(api, '/api', { identity: null, headers: { authorization: 'Bearer nonsense' } })).status, 401)
    t.equal((await apiRequest(api, '/api', { identity: await api.pki.client('node', ['system:nodes']) })).status, 200)

    await post(api, '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'app' } })
    const answer = await post(api, '/api/v1/namespaces/default/serviceaccounts/app/token', { spec: { expirationSeconds: 700 } })
    t.match(answer, { status: 201, json: { kind: 'TokenRequest', status: { token: /^ey/, expirationTimestamp: /Z$/ } } })
    const authorization = `Bearer ${answer.json.status.token}`
    t.equal((await apiRequest(api, '/api', { identity: null, headers: { authorization } })).status, 200, 'the token lets in')
    await remove(api, '/api/v1/namespaces/default/serviceaccounts/app')
    t.equal((await apiRequest(api, '/api', { identity: null, headers: { authorization } })).status, 401, 'not without its account')
  }),
)

t.test('an object lives through create, get, update, patch and delete', t =>
  withApiServer(t, async api => {
    const created = await post(api, maps, configMap('a', { k: '1' }))
    t.match(created, {
      status: 201,
      json: {
        kind: 'ConfigMap',
        apiVersion: 'v1',
        metadata: { name: 'a', namespace: 'default', uid: /-/, resourceVersion: /^\d+$/ },
        data: { k: '1' },
      },
    })
    t.match(await post(api, maps, configMap('a')), {
      status: 409,
      json: { reason: 'AlreadyExists', message: 'configmaps "a" already exists', details: { name: 'a', kind: 'configmaps' } },
    })
    t.strictSame((await apiRequest(api, `${maps}/a`)).json, created.json)

    const changed = { ...created.json, data: { k: '2' } }
    const updated = await apiRequest(api, `${maps}/a`, { method: 'PUT', body: changed })
    t.match(updated, { status: 200, json: { data: { k: '2' } } })
    t.not(updated.json.metadata.resourceVersion, created.json.metadata.resourceVersion)
    t.match(await apiRequest(api, `${maps}/a`, { method: 'PUT', body: changed }), {
      status: 409,
      json: { reason: 'Conflict', message: /^Operation cannot be fulfilled on configmaps "a": the object has been modified/ },
    })
    const same = await apiRequest(api, `${maps}/a`, { method: 'PUT', body: updated.json })
    t.equal(same.json.metadata.resourceVersion, updated.json.metadata.resourceVersion, 'an update that changes nothing makes no revision')

    for (const [type, body, want] of [
      ['application/merge-patch+json', { data: { m: '1' } }, { k: '2', m: '1' }],
      ['application/json-patch+json', [{ op: 'remove', path: '/data/k' }], { m: '1' }],
      ['application/strategic-merge-patch+json', { data: { m: null, s: '1' } }, { s: '1' }],
    ] as const) {
      const patched = await apiRequest(api, `${maps}/a`, { method: 'PATCH', body, headers: { 'content-type': type } })
      t.strictSame(patched.json.data, want, type)
    }
    const apply = { method: 'PATCH', body: configMap('a'), headers: { 'content-type': 'application/apply-patch+yaml' } }
    t.match(await apiRequest(api, `${maps}/a`, apply), {
      status: 422,
      json: { message: /fieldManager: Required value: is required for apply patch/ },
    })

    const wrongUid = { preconditions: { uid: 'other' } }
    t.match(await remove(api, `${maps}/a`, wrongUid), { status: 409, json: { message: /Precondition failed: UID/ } })
    t.match(await remove(api, `${maps}/a`), { status: 200, json: { kind: 'Status', status: 'Success', details: { name: 'a' } } })
    t.match(await apiRequest(api, `${maps}/a`), { status: 404, json: { reason: 'NotFound', message: 'configmaps "a" not found' } })
  }),
)

t.test('names', t =>
  withApiServer(t, async api => {
    const generated = await post(api, maps, { metadata: { generateName: 'job-' } })
    t.match(generated.json.metadata.name, /^job-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
    t.match(await post(api, maps, { metadata: {} }), { status: 422, json: { details: { causes: [{ field: 'metadata.name' }] } } })
    t.match(await post(api, '/api/v1/namespaces/nowhere/configmaps', configMap('a')), {
      status: 404,
      json: { message: 'namespaces "nowhere" not found' },
    })
    const other = { ...configMap('a'), metadata: { name: 'a', namespace: 'kube-system' } }
    t.match(await post(api, maps, other), { status: 400, json: { message: /does not match the namespace sent/ } })
  }),
)

t.test('a dry run changes nothing', t =>
  withApiServer(t, async api => {
    t.equal((await post(api, `${maps}?dryRun=All`, configMap('a'))).status, 201)
    t.equal((await apiRequest(api, `${maps}/a`)).status, 404)
    await post(api, maps, configMap('a'))
    t.equal((await remove(api, `${maps}/a?dryRun=All`)).status, 200)
    t.equal((await apiRequest(api, `${maps}/a`)).status, 200)
    t.match(await post(api, `${maps}?dryRun=Some`, configMap('b')), {
      status: 422,
      json: { message: 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"' },
    })
  }),
)

t.test('status and the rest are written apart, and only the rest counts generations', t =>
  withApiServer(t, async api => {
    const path = '/apis/apps/v1/namespaces/default/deployments'
    const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'i' }] } }
    const { json } = await post(api, path, {
      metadata: { name: 'web' },
      spec: { selector: { matchLabels: { app: 'web' } }, template },
      status: { replicas: 9 },
    })
    t.equal(json.status, undefined, 'a status in a create request is dropped')
    t.equal(json.metadata.generation, 1)
    const status = { ...json, spec: { ...json.spec, replicas: 9 }, status: { replicas: 3, observedGeneration: 1 } }
    const reported = await apiRequest(api, `${path}/web/status`, { method: 'PUT', body: status })
    t.match(reported.json, { metadata: { generation: 1 }, spec: { replicas: 1 }, status: { replicas: 3 } })
    const scaled = await apiRequest(api, `${path}/web`, {
      method: 'PUT',
      body: { ...reported.json, spec: { ...json.spec, replicas: 5 }, status: {} },
    })
    t.match(scaled.json, { metadata: { generation: 2 }, spec: { replicas: 5 }, status: { replicas: 3 } })

    const scale = await apiRequest(api, `${path}/web/scale`)
    t.match(scale.json, { kind: 'Scale', spec: { replicas: 5 }, status: { replicas: 3, selector: 'app=web' } })
    const merge = { 'content-type': 'application/merge-patch+json' }
    t.match(await apiRequest(api, `${path}/web/scale`, { method: 'PATCH', body: { spec: { replicas: 0 } }, headers: merge }), {
      json: { kind: 'Scale', spec: { replicas: 0 } },
    })
    t.match((await apiRequest(api, `${path}/web`)).json, { metadata: { generation: 3 }, spec: { replicas: 0 } })
    t.equal((await apiRequest(api, `${path}/web/scale`, { method: 'PATCH', body: { spec: { replicas: -1 } }, headers: merge })).status, 422)
    const selector = { matchLabels: { app: 'other' } }
    const changed = { ...scaled.json, metadata: { ...scaled.json.metadata, resourceVersion: '' }, spec: { ...json.spec, selector } }
    t.match(await apiRequest(api, `${path}/web`, { method: 'PUT', body: changed }), {
      status: 422,
      json: {
        details: { causes: [{ field: 'spec.template.metadata.labels' }, { field: 'spec.selector', message: /field is immutable/ }] },
      },
    })
  }),
)

t.test('deleting: finalizers, propagation and the grace of Pods', t =>
  withApiServer(t, async api => {
    await post(api, maps, { ...configMap('held'), metadata: { name: 'held', finalizers: ['example.com/hold'] } })
    t.match((await remove(api, `${maps}/held`)).json, { metadata: { deletionTimestamp: /Z$/, finalizers: ['example.com/hold'] } })
    t.equal((await apiRequest(api, `${maps}/held`)).status, 200)
    const merge = { 'content-type': 'application/merge-patch+json' }
    await apiRequest(api, `${maps}/held`, { method: 'PATCH', body: { metadata: { finalizers: null } }, headers: merge })
    t.equal((await apiRequest(api, `${maps}/held`)).status, 404, 'it goes with its last finalizer')

    await post(api, maps, configMap('fg'))
    t.match((await remove(api, `${maps}/fg`, { propagationPolicy: 'Foreground' })).json, {
      metadata: { finalizers: ['foregroundDeletion'] },
    })
    await post(api, maps, configMap('orphan'))
    t.match((await remove(api, `${maps}/orphan`, { propagationPolicy: 'Orphan' })).json, { metadata: { finalizers: ['orphan'] } })
    t.equal((await remove(api, `${maps}/fg`, { propagationPolicy: 'Sideways' })).status, 422)

    await post(api, pods, pod('loose'))
    await remove(api, `${pods}/loose`)
    t.equal((await apiRequest(api, `${pods}/loose`)).status, 404, 'a Pod without a node goes at once')

    await post(api, pods, pod('bound'))
    t.equal((await post(api, `${pods}/bound/binding`, { target: { kind: 'Node', name: 'node-1' } })).status, 201)
    t.match((await apiRequest(api, `${pods}/bound`)).json, {
      spec: { nodeName: 'node-1' },
      status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'True' }] },
    })
    t.equal((await post(api, `${pods}/bound/binding`, { target: { kind: 'Node', name: 'node-2' } })).status, 409)
    const bindings = '/api/v1/namespaces/default/bindings'
    await post(api, pods, pod('other'))
    t.equal((await post(api, bindings, { metadata: { name: 'other' }, target: { kind: 'Node', name: 'node-1' } })).status, 201)
    t.equal((await apiRequest(api, `${pods}/other`)).json.spec.nodeName, 'node-1', 'as the first clients bound')
    t.equal((await post(api, bindings, { metadata: { name: 'none' }, target: { kind: 'Node', name: 'node-1' } })).status, 404)
    await remove(api, `${pods}/other`, { gracePeriodSeconds: 0 })
    t.match((await remove(api, `${pods}/bound`)).json, { metadata: { deletionGracePeriodSeconds: 30, deletionTimestamp: /Z$/ } })
    t.match((await remove(api, `${pods}/bound`, { gracePeriodSeconds: 60 })).json.metadata, { deletionGracePeriodSeconds: 30 })
    t.match((await remove(api, `${pods}/bound`, { gracePeriodSeconds: 5 })).json.metadata, { deletionGracePeriodSeconds: 5 })
    await remove(api, `${pods}/bound`, { gracePeriodSeconds: 0 })
    t.equal((await apiRequest(api, `${pods}/bound`)).status, 404)

    await post(api, maps, configMap('x'))
    await remove(api, `${maps}?fieldSelector=metadata.name%3Dx`)
    t.equal((await apiRequest(api, `${maps}/x`)).status, 404)
    t.equal((await apiRequest(api, `${maps}/fg`)).status, 200)
  }),
)

t.test('namespaces', t =>
  withApiServer(t, async api => {
    const { json } = await post(api, '/api/v1/namespaces', { metadata: { name: 'shop' } })
    t.match(json, {
      metadata: { labels: { 'kubernetes.io/metadata.name': 'shop' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    })
    t.match((await remove(api, '/api/v1/namespaces/shop')).json, { status: { phase: 'Terminating' } })
    t.match(await post(api, '/api/v1/namespaces/shop/configmaps', configMap('late')), {
      status: 403,
      json: { reason: 'Forbidden', message: /unable to create new content in namespace shop because it is being terminated/ },
    })
    await apiRequest(api, '/api/v1/namespaces/shop/finalize', {
      method: 'PUT',
      body: { metadata: { name: 'shop' }, spec: { finalizers: [] } },
    })
    t.equal((await apiRequest(api, '/api/v1/namespaces/shop')).status, 404)
    t.equal((await remove(api, '/api/v1/namespaces/default')).status, 403)
  }),
)

t.test('what is not understood is answered with a Status', t =>
  withApiServer(t, async api => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    const json = 'application/json'
    const rows: Record<string, [path: string, request: RawRequest, status: number]> = {
      'no JSON': [maps, { method: 'POST', body: '{"a":' }, 400],
      'a list': [maps, { method: 'POST', body: '[]' }, 400],
      nothing: [maps, { method: 'POST', body: '' }, 400],
      'deep JSON': [maps, { method: 'POST', body: `{"metadata":{"name":"a"},"data":${deep}}` }, 400],
      'another kind': [maps, { method: 'POST', body: pod('a') }, 400],
      'another version': [maps, { method: 'POST', body: { ...configMap('a'), apiVersion: 'v2' } }, 400],
      'a value of a wrong type': [maps, { method: 'POST', body: { metadata: { name: 7 } } }, 400],
      'metadata that is none': [maps, { method: 'POST', body: { metadata: 'x' } }, 400],
      'another media type': [maps, { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } }, 415],
      'broken protobuf': [
        maps,
        { method: 'POST', body: Buffer.from('k8s\0\x0a\xff\xff'), headers: { 'content-type': 'application/vnd.kubernetes.protobuf' } },
        400,
      ],
      'broken YAML': [maps, { method: 'POST', body: 'a: [', headers: { 'content-type': 'application/yaml' } }, 400],
      'too much': [maps, { method: 'POST', body: Buffer.alloc(3 * 1024 * 1024 + 1, 'x') }, 413],
      'an escape that is none': ['/api/v1/namespaces/%ff/configmaps', {}, 400],
      'no such resource': ['/api/v1/widgets', {}, 404],
      'no such group': ['/apis/example.com/v1/widgets', {}, 404],
      'no such subresource': [`${maps}/a/status`, {}, 404],
      'a verb that is not there': [maps, { method: 'PUT', body: {} }, 405],
      'an answer nobody has': [maps, { headers: { accept: 'image/png' } }, 406],
      'an apply by nobody': [
        `${maps}/a`,
        { method: 'PATCH', body: configMap('a'), headers: { 'content-type': 'application/apply-patch+yaml' } },
        422,
      ],
      'force where nobody applies': [
        `${maps}/a?force=true`,
        { method: 'PATCH', body: {}, headers: { 'content-type': 'application/merge-patch+json' } },
        422,
      ],
      'a manager of unprintable name': [`${maps}?fieldManager=%07`, { method: 'POST', body: configMap('z') }, 422],
      'a limit that is none': [`${maps}?limit=many`, {}, 400],
      'prototype keys': [
        maps,
        {
          method: 'POST',
          body: '{"metadata":{"name":"proto"},"data":{"__proto__":"x","constructor":"y"}}',
          headers: { 'content-type': json },
        },
        201,
      ],
      'a path without end': [`/${'a/'.repeat(4000)}`, {}, 404],
    }
    for (const [name, [path, request, status]] of Object.entries(rows)) {
      const answer = await apiRequest(api, path, request)
      t.equal(answer.status, status, `${name}: ${answer.text.slice(0, 150)}`)
      if (status >= 400) t.match(answer.json, { kind: 'Status', status: 'Failure', code: status }, name)
    }
    t.match((await apiRequest(api, `${maps}/proto`)).json.data, { ['__proto__']: 'x', constructor: 'y' })
    t.equal((await apiRequest(api, '/readyz')).text, 'ok')
  }),
)

t.test('fields that nobody knows', t =>
  withApiServer(t, async api => {
    const body = '{"metadata":{"name":"a"},"data":{"k":"1"},"data":{"k":"2"},"extra":{"x":1}}'
    const create = (validation: string) => apiRequest(api, `${maps}?fieldValidation=${validation}`, { method: 'POST', body })
    t.match(await create('Strict'), {
      status: 400,
      json: {
        message:
          'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data", unknown field "extra"',
      },
    })
    const warned = await create('Warn')
    t.equal(warned.status, 201)
    t.match(String(warned.headers.warning), /299 - "duplicate field \\"data\\"", 299 - "unknown field \\"extra\\""/)
    t.notOk('extra' in warned.json)
    await remove(api, `${maps}/a`)
    t.equal((await create('Ignore')).headers.warning, undefined)
    t.equal((await create('Sometimes')).status, 422)
    const merge = { method: 'PATCH', body: { extra: 1 }, headers: { 'content-type': 'application/merge-patch+json' } }
    t.match(await apiRequest(api, `${maps}/a?fieldValidation=Strict`, merge), { status: 422, json: { message: /unknown field "extra"/ } })
  }),
)

t.test('what was stored is served after a restart', t =>
  withApiServer(t, async api => {
    const before = await post(api, maps, configMap('a', { k: '1' }))
    await api.restart()
    t.strictSame((await apiRequest(api, `${maps}/a`)).json, before.json)
    t.equal((await apiRequest(api, '/api/v1/namespaces')).json.items.length, 4)
  }),
)
