import { get } from 'node:https'
import t from 'tap'

import { apiRequest } from '../../../support/api-request.js'
import { type TestApiServer, withApiServer } from '../../../support/api-server.js'
import { until } from '../../../support/until.js'

const maps = '/api/v1/namespaces/default/configmaps'

/** The value of one series; undefined when there is none. */
async function value(api: TestApiServer, series: string): Promise<number | undefined> {
  const { text } = await apiRequest(api, '/metrics')
  const [name = '', ...labels] = series.split(/[{},]/).filter(part => part !== '')
  const line = text.split('\n').find(found => found.startsWith(`${name}{`) && labels.every(label => found.includes(label)))
  return line === undefined ? undefined : Number(line.split(' ').at(-1))
}

t.test('requests are counted as upstream counts them', t =>
  withApiServer(t, async api => {
    await apiRequest(api, maps, { method: 'POST', body: { metadata: { name: 'a' } } })
    await apiRequest(api, `${maps}?dryRun=All`, { method: 'POST', body: { metadata: { name: 'b' } } })
    await apiRequest(api, `${maps}/a`)
    await apiRequest(api, `${maps}/none`)
    await apiRequest(api, maps)
    await apiRequest(api, '/api/v1/configmaps')
    await apiRequest(api, `${maps}/a?fieldManager=me`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/apply-patch+yaml' },
      body: { apiVersion: 'v1', kind: 'ConfigMap', data: { k: 'v' } },
    })
    await apiRequest(api, maps, { method: 'DELETE' })
    await apiRequest(api, '/nowhere/at/all')
    await apiRequest(api, '/api/v1/endpoints')
    const counted: readonly string[] = [
      'verb="POST",scope="resource",dry_run="",code="201"',
      'verb="POST",scope="resource",dry_run="All",code="201"',
      'verb="GET",scope="resource",code="200"',
      'verb="GET",scope="resource",code="404"',
      'verb="LIST",scope="namespace",code="200"',
      'verb="LIST",scope="cluster",code="200"',
      'verb="APPLY",scope="resource",code="200"',
      'verb="DELETECOLLECTION",scope="namespace",code="200"',
    ]
    for (const labels of counted)
      t.equal(await value(api, `apiserver_request_total{resource="configmaps",version="v1",${labels}}`), 1, labels)
    t.equal(await value(api, 'apiserver_request_total{verb="GET",subresource="",resource="",code="404"}'), 1, 'no path of its own')
    t.equal(await value(api, 'apiserver_request_duration_seconds_count{verb="LIST",resource="configmaps",scope="cluster"}'), 1)
    t.ok(await value(api, 'apiserver_response_sizes_sum{verb="LIST",resource="configmaps",scope="cluster"}'))
    t.equal(await value(api, 'apiserver_current_inflight_requests{request_kind="readOnly"}'), 1, 'the one that asks')
    t.equal(await value(api, 'apiserver_requested_deprecated_apis{resource="endpoints"}'), 1)
    t.ok(await value(api, 'kubernetes_build_info{git_version="v1.36.2+podwire"}'))
  }),
)

t.test('what lasts, what is stored, who may look', t =>
  withApiServer(t, async api => {
    const watches = 'apiserver_longrunning_requests{verb="WATCH",resource="configmaps"}'
    const watch = get(`${api.url}${maps}?watch=true`, { ca: api.pki.ca, ...api.admin, agent: false })
    watch.on('error', () => {}) // It is cut off below.
    await until('the watch is counted', async () => (await value(api, watches)) === 1)
    watch.destroy()
    await until('the watch is gone', async () => (await value(api, watches)) === 0)

    await apiRequest(api, maps, { method: 'POST', body: { metadata: { name: 'a' } } })
    t.equal(await value(api, 'apiserver_storage_objects{resource="configmaps"}'), 1)
    t.ok(await value(api, 'apiserver_resource_objects{group="rbac.authorization.k8s.io",resource="clusterroles"}'))
    t.ok(await value(api, 'apiserver_storage_size_bytes{}'))

    t.equal((await apiRequest(api, '/metrics', { identity: null })).status, 401)
    t.equal((await apiRequest(api, '/metrics', { identity: await api.pki.client('jane') })).status, 403)
    t.equal((await apiRequest(api, '/metrics', { identity: await api.pki.client('prometheus', ['system:monitoring']) })).status, 200)
    t.equal(await value(api, 'authentication_attempts{result="failure"}'), 1)
  }),
)
