import t from 'tap'

import type { Service } from '../../../../src/api/generated/types.js'
import { apiRequest } from '../../../support/api-request.js'
import { type TestApiServer, withApiServer } from '../../../support/api-server.js'
import { until } from '../../../support/until.js'

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

const addressesPath = '/apis/networking.k8s.io/v1/ipaddresses'

t.test('an IPAddress stands for every cluster IP', t =>
  withApiServer(t, async api => {
    t.match((await apiRequest(api, '/apis/networking.k8s.io/v1/servicecidrs/kubernetes')).json.spec, { cidrs: ['10.96.0.0/16'] })
    const { clusterIP } = (await create(api, 'web')).json.spec
    const held = await apiRequest(api, `${addressesPath}/${clusterIP}`)
    t.match(held.json, {
      metadata: { labels: { 'ipaddress.kubernetes.io/ip-family': 'IPv4' } },
      spec: { parentRef: { group: '', resource: 'services', namespace: 'default', name: 'web' } },
    })
    const other = { metadata: { name: '10.96.77.77' }, spec: { parentRef: { group: 'x.example', resource: 'things', name: 'mine' } } }
    t.equal((await apiRequest(api, addressesPath, { method: 'POST', body: other })).status, 201)
    t.equal((await create(api, 'thief', { clusterIP: '10.96.77.77' })).status, 422, 'whoever holds the address, it is taken')

    await apiRequest(api, `${addressesPath}/${clusterIP}`, { method: 'DELETE' })
    const lost = {
      metadata: { name: '10.96.88.88' },
      spec: { parentRef: { group: '', resource: 'services', namespace: 'default', name: 'gone' } },
    }
    await apiRequest(api, addressesPath, { method: 'POST', body: lost })
    await api.restart()
    t.equal((await apiRequest(api, `${addressesPath}/${clusterIP}`)).status, 200, 'a start holds again what Services have')
    t.equal((await apiRequest(api, `${addressesPath}/10.96.88.88`)).status, 404, 'and gives back what none has')

    await remove(api, 'web')
    t.equal((await apiRequest(api, `${addressesPath}/${clusterIP}`)).status, 404)

    const more = { metadata: { name: 'more' }, spec: { cidrs: ['10.99.0.0/24'] } }
    t.equal((await create(api, 'early', { clusterIP: '10.99.0.9' })).status, 422)
    t.equal((await apiRequest(api, '/apis/networking.k8s.io/v1/servicecidrs', { method: 'POST', body: more })).status, 201)
    t.equal((await create(api, 'late', { clusterIP: '10.99.0.9' })).status, 201, 'a new range is used at once')
  }),
)

t.test('two families', t =>
  withApiServer(
    t,
    async api => {
      const single = await create(api, 'single')
      t.match(single.json.spec, { ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack', clusterIPs: [/^10\.96\./] })
      t.equal(single.json.spec.clusterIPs.length, 1)
      const six = await create(api, 'six', { ipFamilies: ['IPv6'] })
      t.match(six.json.spec, { ipFamilies: ['IPv6'], clusterIP: /^fd00:10:96::/ })

      const dual = await create(api, 'dual', { ipFamilyPolicy: 'PreferDualStack' })
      t.match(dual.json.spec, { ipFamilies: ['IPv4', 'IPv6'], clusterIPs: [/^10\.96\./, /^fd00:10:96::/] })
      const turned = await create(api, 'turned', { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6'] })
      t.match(turned.json.spec, { ipFamilies: ['IPv6', 'IPv4'], clusterIPs: [/^fd00/, /^10\.96/] })
      const asked = await create(api, 'asked', { ipFamilyPolicy: 'PreferDualStack', clusterIP: 'fd00:10:96::99' })
      t.match(asked.json.spec, { ipFamilies: ['IPv6', 'IPv4'], clusterIPs: ['fd00:10:96::99', /^10\.96/] })

      const grown = await update(api, single.json, { ipFamilyPolicy: 'PreferDualStack' })
      t.match(grown.json.spec, { ipFamilies: ['IPv4', 'IPv6'], clusterIPs: [single.json.spec.clusterIP, /^fd00/] })
      const shrunk = await update(api, grown.json, { ipFamilyPolicy: 'SingleStack' })
      t.strictSame(shrunk.json.spec.clusterIPs, [single.json.spec.clusterIP])
      t.equal((await apiRequest(api, `${addressesPath}/${grown.json.spec.clusterIPs[1]}`)).status, 404, 'the second address is given back')
      t.match(await update(api, dual.json, { ipFamilies: ['IPv6', 'IPv4'], clusterIPs: [...dual.json.spec.clusterIPs].reverse() }), {
        status: 422,
      })

      const gone = await update(api, dual.json, { type: 'ExternalName', externalName: 'example.com' })
      t.equal(gone.status, 200)
      t.strictSame([gone.json.spec.clusterIP, gone.json.spec.clusterIPs, gone.json.spec.ipFamilies], [undefined, undefined, undefined])

      const headless = await create(api, 'headless', { clusterIP: 'None' })
      t.match(headless.json.spec, { clusterIPs: ['None'], ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' })
      const picked = await create(api, 'picked', { clusterIP: 'None', selector: { a: 'b' } })
      t.match(picked.json.spec, { clusterIPs: ['None'], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' })
      t.match((await create(api, 'twice', { ipFamilies: ['IPv4', 'IPv4'], ipFamilyPolicy: 'PreferDualStack' })).json.details.causes, [
        { field: 'spec.ipFamilies[1]', reason: 'FieldValueDuplicate' },
      ])
    },
    { serviceCidrs: ['10.96.0.0/16', 'fd00:10:96::/112'] },
  ),
)

t.test('one family refuses the other', t =>
  withApiServer(t, async api => {
    const causes = async (spec: object) => (await create(api, 'x', spec)).json.details.causes
    t.match(await causes({ ipFamilies: ['IPv6'] }), [{ field: 'spec.ipFamilies[0]', message: /not configured on this cluster/ }])
    t.match(await causes({ ipFamilyPolicy: 'RequireDualStack' }), [{ field: 'spec.ipFamilyPolicy' }])
    const preferring = await create(api, 'preferring', { ipFamilyPolicy: 'PreferDualStack' })
    t.match(preferring.json.spec, { ipFamilies: ['IPv4'], ipFamilyPolicy: 'PreferDualStack' })
  }),
)

t.test('what a load balancer needs', t =>
  withApiServer(t, async api => {
    const local = await create(api, 'local', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' })
    const { healthCheckNodePort } = local.json.spec
    t.ok(healthCheckNodePort >= 30000 && healthCheckNodePort <= 32767)
    t.match(await update(api, local.json, { healthCheckNodePort: 30099 }), { status: 422 })
    const spare = await create(api, 'spare', { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false })
    t.equal(spare.json.spec.ports[0].nodePort, undefined)
    const plain = await update(api, local.json, { type: 'ClusterIP' })
    t.strictSame(
      [plain.json.spec.healthCheckNodePort, plain.json.spec.ports[0].nodePort, plain.json.spec.externalTrafficPolicy],
      [undefined, undefined, undefined],
    )
    const heir = { type: 'NodePort', ports: [{ port: 80, nodePort: healthCheckNodePort }] }
    t.equal((await create(api, 'heir', heir)).status, 201, 'a changed type gives its ports back')
  }),
)

t.test('an address that somebody deletes is held again as long as a Service has it', t =>
  withApiServer(t, async api => {
    const { clusterIP } = (await create(api, 'web')).json.spec
    const address = `/apis/networking.k8s.io/v1/ipaddresses/${clusterIP}`
    const { uid } = (await apiRequest(api, address)).json.metadata
    await apiRequest(api, address, { method: 'DELETE', body: { gracePeriodSeconds: 0 } })
    await apiRequest(api, address, {
      method: 'PATCH',
      headers: { 'content-type': 'application/merge-patch+json' },
      body: { metadata: { finalizers: null } },
    })
    await until('another one stands for it', async () => {
      const { status, json } = await apiRequest(api, address)
      return status === 200 && json.metadata.uid !== uid
    })
    t.match((await apiRequest(api, address)).json.spec, { parentRef: { resource: 'services', namespace: 'default', name: 'web' } })
    t.equal((await create(api, 'thief', { clusterIP })).status, 422)
    await remove(api, 'web')
    t.equal((await apiRequest(api, address)).status, 404)
    t.equal((await create(api, 'heir', { clusterIP })).status, 201)
  }),
)
