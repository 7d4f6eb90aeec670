import t from 'tap'

import type { Service } from '../../../../src/api/generated/types.js'
import { apiRequest } from '../../../support/api-request.js'
import { type TestApiServer, withApiServer } from '../../../support/api-server.js'

const path = '/api/v1/namespaces/default/services'
const create = (api: TestApiServer, name: string, spec: object = {}) =>
  apiRequest(api, path, { method: 'POST', body: { metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } } })
const update = (api: TestApiServer, service: Service, spec: object) =>
  apiRequest(api, `${path}/${service.metadata?.name}`, { method: 'PUT', body: { ...service, spec: { ...service.spec, ...spec } } })
const remove = (api: TestApiServer, name: string) => apiRequest(api, `${path}/${name}`, { method: 'DELETE' })

t.test('cluster IPs', t =>
  withApiServer(t, async api => {
    t.match((await apiRequest(api, `${path}/kubernetes`)).json.spec, { clusterIP: '10.96.0.1', ports: [{ port: 443, targetPort: 6443 }] })
    const first = await create(api, 'first')
    t.match(first.json.spec, { clusterIP: /^10\.96\./, type: 'ClusterIP', ipFamilies: ['IPv4'], sessionAffinity: 'None' })
    t.strictSame(first.json.spec.clusterIPs, [first.json.spec.clusterIP])
    t.not((await create(api, 'second')).json.spec.clusterIP, first.json.spec.clusterIP)

    t.equal((await create(api, 'dns', { clusterIP: '10.96.0.10' })).json.spec.clusterIP, '10.96.0.10')
    const taken = await create(api, 'thief', { clusterIP: '10.96.0.10' })
    t.match(taken, {
      status: 422,
      json: { details: { causes: [{ field: 'spec.clusterIPs', message: /provided IP is already allocated/ }] } },
    })
    t.match(
      (await create(api, 'stranger', { clusterIP: '192.0.2.1' })).json.message,
      /not in the valid range. The range of valid IPs is 10.96.0.0\/16/,
    )
    t.match((await create(api, 'broken', { clusterIP: '10.96.0.999' })).status, 422)

    const headless = await create(api, 'headless', { clusterIP: 'None' })
    t.match(headless.json.spec, { clusterIP: 'None', clusterIPs: ['None'] })
    const name = await create(api, 'alias', { type: 'ExternalName', externalName: 'example.com', ports: undefined })
    t.equal(name.json.spec.clusterIP, undefined)

    t.match(await update(api, first.json, { clusterIP: '10.96.0.77', clusterIPs: ['10.96.0.77'] }), {
      status: 422,
      json: { message: /may not change once set/ },
    })
    const kept = await update(api, first.json, { clusterIP: undefined, clusterIPs: undefined })
    t.equal(kept.json.spec.clusterIP, first.json.spec.clusterIP, 'an update that leaves the address out keeps it')

    await remove(api, 'dns')
    t.equal((await create(api, 'heir', { clusterIP: '10.96.0.10' })).status, 201, 'a deleted Service gives its address back')
  }),
)

t.test('node ports', t =>
  withApiServer(t, async api => {
    const web = await create(api, 'web', { type: 'NodePort' })
    const { nodePort } = web.json.spec.ports[0]
    t.ok(nodePort >= 30000 && nodePort <= 32767)
    t.equal(web.json.spec.externalTrafficPolicy, 'Cluster')
    const fixed = await create(api, 'fixed', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] })
    t.equal(fixed.json.spec.ports[0].nodePort, 30080)
    t.match(await create(api, 'thief', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }), {
      status: 422,
      json: {
        details: { causes: [{ field: 'spec.ports[0].nodePort', message: 'Invalid value: 30080: provided port is already allocated' }] },
      },
    })
    t.match(
      (await create(api, 'low', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] })).json.message,
      /valid ports is 30000-32767/,
    )
    t.equal((await create(api, 'plain', { ports: [{ port: 80, nodePort: 30081 }] })).status, 422)

    const both = await create(api, 'both', {
      type: 'NodePort',
      ports: [
        { name: 'udp', port: 53, protocol: 'UDP' },
        { name: 'tcp', port: 53, protocol: 'TCP' },
      ],
    })
    t.equal(both.json.spec.ports[0].nodePort, both.json.spec.ports[1].nodePort, 'one number for the same port in UDP and TCP')

    const kept = await update(api, web.json, { ports: [{ port: 80, protocol: 'TCP', targetPort: 8080 }] })
    t.equal(kept.json.spec.ports[0].nodePort, nodePort, 'a port that goes on keeps its number')
    const plain = await update(api, kept.json, { type: 'ClusterIP' })
    t.equal(plain.status, 200)
    t.notOk('nodePort' in plain.json.spec.ports[0])
    const heir = await create(api, 'heir', { type: 'NodePort', ports: [{ port: 80, nodePort }] })
    t.equal(heir.status, 201, 'what one Service gives up another may have')
  }),
)

t.test('what is given out survives a restart, and no two writers get the same', t =>
  withApiServer(t, async api => {
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => create(api, `svc-${i}`, { type: 'NodePort' })))
    const specs = answers.map(({ json }) => json.spec)
    t.equal(new Set(specs.map(({ clusterIP }) => clusterIP)).size, 40)
    t.equal(new Set(specs.map(({ ports }) => ports[0].nodePort)).size, 40)
    await api.restart()
    const { clusterIP, ports } = specs[7]
    t.equal((await create(api, 'thief', { clusterIP })).status, 422)
    t.equal((await create(api, 'thief', { type: 'NodePort', ports: [{ port: 80, nodePort: ports[0].nodePort }] })).status, 422)
    const more = await Promise.all(Array.from({ length: 10 }, (_, i) => create(api, `more-${i}`)))
    const before = new Set(specs.map(({ clusterIP }) => clusterIP))
    for (const { json } of more) t.notOk(before.has(json.spec.clusterIP))
  }),
)

t.test('a refused or dry-run Service takes nothing', t =>
  withApiServer(t, async api => {
    t.equal((await create(api, 'Bad', { clusterIP: '10.96.0.50' })).status, 422)
    await apiRequest(api, `${path}?dryRun=All`, {
      method: 'POST',
      body: { metadata: { name: 'dry' }, spec: { clusterIP: '10.96.0.50', ports: [{ port: 1 }] } },
    })
    t.equal((await create(api, 'good', { clusterIP: '10.96.0.50' })).status, 201)
  }),
)
