import t from 'tap'
import { endpoints, endpointslices, nodes, persistentvolumeclaims, pods, services } from '../../../../src/api/generated/resources.js'
import type { EndpointSlice, Endpoints, Pod, Service } from '../../../../src/api/generated/types.js'
import { planSlices } from '../../../../src/control-plane/controllers/endpoint-slice-plan.js'
import { readyNode, withControlPlane } from '../../../support/control-plane.js'

const service = (spec: Partial<NonNullable<Service['spec']>> = {}): Service => ({
  metadata: { name: 'web', namespace: 'default', uid: 'service' },
  spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }], ipFamilies: ['IPv4'], ...spec },
})
const pod = (
  n: number,
  over: { ready?: boolean; going?: boolean; spec?: Partial<Pod['spec']>; phase?: string; ip?: string } = {},
): Pod => ({
  metadata: {
    name: `web-${n}`,
    namespace: 'default',
    uid: `pod-${n}`,
    labels: { app: 'web' },
    ...(over.going ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
  },
  spec: { nodeName: 'node-1', containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8080 }] }], ...over.spec },
  status: {
    phase: over.phase ?? 'Running',
    podIP: over.ip ?? `10.244.${n >> 8}.${n & 255}`,
    conditions: [{ type: 'Ready', status: (over.ready ?? true) ? 'True' : 'False' }],
  },
})
const node = readyNode('node-1', { labels: { 'topology.kubernetes.io/zone': 'a' } })
const nodeOf = (name: string) => (name === 'node-1' ? node : undefined)
const plan = (pods: readonly Pod[], over: Parameters<typeof service>[0] = {}, existing: readonly EndpointSlice[] = []) =>
  planSlices(service(over), pods, nodeOf, existing)

t.test('an endpoint shows where its Pod is and in which state', async t => {
  const [slice] = plan([pod(1, { spec: { hostname: 'first', subdomain: 'web' } })]).create
  t.match(slice, {
    metadata: {
      generateName: 'web-',
      labels: { 'kubernetes.io/service-name': 'web', 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' },
      ownerReferences: [{ kind: 'Service', name: 'web', uid: 'service', controller: true, blockOwnerDeletion: true }],
    },
    addressType: 'IPv4',
  })
  t.strictSame(slice?.ports, [{ name: 'http', protocol: 'TCP', port: 8080 }])
  t.strictSame(slice?.endpoints, [
    {
      addresses: ['10.244.0.1'],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'node-1',
      zone: 'a',
      hostname: 'first',
      targetRef: { kind: 'Pod', namespace: 'default', name: 'web-1', uid: 'pod-1' },
    },
  ])
})

t.test('ready, serving and terminating', async t => {
  const conditionsOf = (pod: Pod, over = {}) => plan([pod], over).create[0]?.endpoints?.[0]?.conditions
  t.strictSame(conditionsOf(pod(1, { ready: false })), { ready: false, serving: false, terminating: false })
  t.strictSame(conditionsOf(pod(1, { going: true })), { ready: false, serving: true, terminating: true })
  t.strictSame(conditionsOf(pod(1, { going: true, ready: false })), { ready: false, serving: false, terminating: true })
  t.strictSame(conditionsOf(pod(1, { ready: false }), { publishNotReadyAddresses: true }), {
    ready: true,
    serving: false,
    terminating: false,
  })
})

t.test('Pods without an address and ended ones are no endpoints; a Service without any keeps one empty slice', async t => {
  const { create } = plan([pod(1, { ip: '' }), pod(2, { phase: 'Failed' }), pod(3, { phase: 'Succeeded' })])
  t.match(create, [{ endpoints: [], ports: [] }])
  t.equal(create.length, 1)
  t.strictSame(plan([], {}, create), { create: [], update: [], remove: [] }, 'which is used again')
})

t.test('Pods that serve a named port at different numbers come into different slices', async t => {
  const other = pod(2, { spec: { containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 9090 }] }] } })
  const without = pod(3, { spec: { containers: [{ name: 'main' }] } })
  const { create } = plan([pod(1), other, without])
  t.strictSame(
    create.map(({ ports, endpoints }) => [ports?.map(({ port }) => port), endpoints?.map(({ targetRef }) => targetRef?.name)]),
    [
      [[8080], ['web-1']],
      [[9090], ['web-2']],
      [[], ['web-3']],
    ],
  )
})

t.test('at most 100 endpoints a slice; a change touches only the slice it is in', async t => {
  const many = Array.from({ length: 250 }, (_, i) => pod(i + 1))
  const { create } = plan(many)
  t.strictSame(
    create.map(({ endpoints }) => endpoints?.length),
    [100, 100, 50],
  )
  const changed = many.map((each, i) => (i === 120 ? pod(121, { ready: false }) : each))
  const next = plan(changed, {}, create)
  t.strictSame(
    [next.create.length, next.remove.length, next.update.map(({ metadata }) => metadata?.name)],
    [0, 0, [create[1]?.metadata?.name]],
  )
  const fewer = plan(many.slice(100), {}, create)
  t.strictSame(
    [fewer.create.length, fewer.update.length, fewer.remove.map(({ metadata }) => metadata?.name)],
    [0, 0, [create[0]?.metadata?.name]],
  )
  const more = plan([...many, pod(300)], {}, create)
  t.strictSame([more.create.length, more.update.map(({ endpoints }) => endpoints?.length)], [0, [51]], 'new ones fill what has room')
})

t.test('headless Services and those that want nearness say so', async t => {
  t.equal(plan([pod(1)], { clusterIP: 'None' }).create[0]?.metadata?.labels?.['service.kubernetes.io/headless'], '')
  t.strictSame(plan([pod(1)], { trafficDistribution: 'PreferClose' }).create[0]?.endpoints?.[0]?.hints, { forZones: [{ name: 'a' }] })
})

t.test('slices follow the Pods on a real API server', async t => {
  let isReady = false
  let mayEnd = false
  await withControlPlane(t, { nodes: ['node-1'], becomesReady: () => isReady, ends: () => mayEnd }, async ({ client, until }) => {
    const ours = { resource: endpointslices, labelSelector: 'kubernetes.io/service-name=web' }
    const { uid: _, ...metadata } = service().metadata!
    await client.create(services, { ...service(), metadata })
    await until(ours, 'an empty slice', found => found.length === 1 && found[0]?.endpoints?.length === 0)
    const { uid: __, ...podMeta } = pod(1).metadata!
    await client.create(pods, {
      metadata: podMeta,
      spec: { containers: [{ ...pod(1).spec!.containers[0]!, image: 'x' }], terminationGracePeriodSeconds: 60 },
    })

    const is = (conditions: object) => (found: readonly EndpointSlice[]) =>
      found.length === 1 && JSON.stringify(found[0]?.endpoints?.[0]?.conditions) === JSON.stringify(conditions)
    await until(ours, 'not ready', is({ ready: false, serving: false, terminating: false }))
    isReady = true
    await client.patch(pods, { namespace: 'default', name: 'web-1' }, { metadata: { annotations: { look: 'again' } } }, { type: 'merge' })
    await until(ours, 'ready', is({ ready: true, serving: true, terminating: false }))
    await client.patch(nodes, { name: 'node-1' }, { metadata: { labels: { 'topology.kubernetes.io/zone': 'b' } } }, { type: 'merge' })
    await until(ours, 'the zone', found => found[0]?.endpoints?.[0]?.zone === 'b')
    await client.delete(pods, { namespace: 'default', name: 'web-1' })
    await until(ours, 'terminating', is({ ready: false, serving: true, terminating: true }))
    mayEnd = true
    await client.delete(pods, { namespace: 'default', name: 'web-1' }, { gracePeriodSeconds: 0 })
    await until(ours, 'none', found => found.length === 1 && (found[0]?.endpoints ?? []).length === 0)
    await client.delete(services, { namespace: 'default', name: 'web' })
    await until(ours, 'no slice', found => found.length === 0)
  })
})

t.test('Endpoints show what slices show, and what people write in Endpoints becomes slices', t =>
  withControlPlane(t, { nodes: ['node-1'] }, async ({ client, until, signal }) => {
    const namespace = 'default'
    await client.create(pods, {
      metadata: { name: 'one', namespace, labels: { app: 'web' } },
      spec: { containers: [{ name: 'main', image: 'i:1' }] },
    })
    await client.create(services, { metadata: { name: 'web', namespace }, spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } })
    const shown = (all: readonly Endpoints[]) => all.find(({ metadata }) => metadata?.name === 'web')?.subsets
    const made = await until({ resource: endpoints, namespace }, 'Endpoints with the Pod', all => Boolean(shown(all)?.[0]?.addresses))
    t.match(shown(made), [
      { addresses: [{ nodeName: 'node-1', targetRef: { kind: 'Pod', name: 'one' } }], ports: [{ port: 80, protocol: 'TCP' }] },
    ])

    await client.create(services, { metadata: { name: 'outside', namespace }, spec: { ports: [{ port: 80 }] } })
    await client.create(endpoints, {
      metadata: { name: 'outside', namespace },
      subsets: [{ addresses: [{ ip: '192.0.2.1' }, { ip: '2001:db8::1' }], ports: [{ port: 8080 }] }],
    })
    const ofOutside = (slices: readonly EndpointSlice[]) =>
      slices.filter(({ metadata }) => metadata?.labels?.['kubernetes.io/service-name'] === 'outside')
    const mirrors = ofOutside(await until({ resource: endpointslices, namespace }, 'mirrors', slices => ofOutside(slices).length === 2))
    t.strictSame(mirrors.map(({ addressType, endpoints }) => [addressType, endpoints?.[0]?.addresses[0]]).sort(), [
      ['IPv4', '192.0.2.1'],
      ['IPv6', '2001:db8::1'],
    ])
    t.match(mirrors[0]?.metadata?.labels, { 'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io' })
    await client.delete(endpoints, { namespace, name: 'outside' }, {}, signal)
    await until({ resource: endpointslices, namespace }, 'no mirrors', slices => ofOutside(slices).length === 0)

    await client.create(persistentvolumeclaims, {
      metadata: { name: 'c', namespace },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    })
    await client.delete(persistentvolumeclaims, { namespace, name: 'c' }, {}, signal)
    await until({ resource: persistentvolumeclaims, namespace }, 'the claim to go', claims => claims.length === 0)
  }),
)
