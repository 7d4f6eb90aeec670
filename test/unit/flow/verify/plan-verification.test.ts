/** What a verification asks, from objects alone. */
import t from 'tap'
import type { Pod, Service } from '../../../../src/api/generated/types.js'
import type { LabFacts } from '../../../../src/flow/lab-facts.js'
import { type ClusterObjects, planVerification } from '../../../../src/flow/verify/plan-verification.js'

const pod = (
  name: string,
  port?: { readonly containerPort: number; readonly protocol?: string },
  more: Pod['spec'] = {} as never,
): Pod => ({
  metadata: { namespace: 'shop', name },
  spec: { ...more, containers: [{ name: 'main', ...(port && { ports: [port] }) }] },
  status: { podIP: '10.244.1.2', conditions: [{ type: 'Ready', status: 'True' }] },
})
const service = (name: string, spec: Service['spec']): Service => ({
  metadata: { namespace: 'shop', name },
  spec: { clusterIP: '10.96.0.9', ...spec },
})
const facts = {
  family: 4,
  hosts: new Map(
    [
      { name: 'node-1', role: 'node' },
      { name: 'node-2', role: 'node' },
      { name: 'ext1', role: 'external' },
    ].map(host => [host.name, host]),
  ),
} as unknown as LabFacts

const plan = (objects: Partial<ClusterObjects>, namespace?: string) =>
  planVerification(
    { pods: [], services: [], served: new Map(), foreign: new Set(), endpointsOf: () => [], isAllowed: () => true, ...objects },
    facts,
    namespace,
  )
const questions = (objects: Partial<ClusterObjects>) =>
  plan(objects)
    .batches.flat()
    .map(({ from, to, expected }) => `${from} ${expected} ${to}`)
    .sort()

t.test('every Pod is asked by every Pod: at its first TCP port, by ICMP when it has none', async t => {
  const pods = [pod('a', { containerPort: 80 }), pod('b', { containerPort: 53, protocol: 'UDP' })]
  t.strictSame(questions({ pods }), ['shop/a . pod shop/a:80', 'shop/a . pod shop/b', 'shop/b . pod shop/a:80', 'shop/b . pod shop/b'])
  const [document] = plan({ pods })
    .batches.flat()
    .filter(({ to }) => to === 'pod shop/b')
  t.strictSame(document?.document.test.spec.send.icmp, { size: 56 })
})

t.test('over IPv6: by the addresses of that family, and who has none is told', async t => {
  const dual = { ...pod('a', { containerPort: 80 }), status: { ...pod('a').status, podIPs: [{ ip: '10.244.1.2' }, { ip: 'fd00::2' }] } }
  const web = service('web', { ports: [{ port: 80 }], clusterIPs: ['10.96.0.9', 'fd00:10:96::9'] })
  const allowed: string[] = []
  const { batches, leftOut } = planVerification(
    {
      pods: [dual, { ...dual, metadata: { namespace: 'shop', name: 'c' } }, pod('b')],
      services: [web, service('old', { ports: [{ port: 80 }] })],
      served: new Map([['shop/web', new Set(['node-1'])]]),
      foreign: new Set(),
      endpointsOf: () => [],
      isAllowed: (_from, { ip }) => allowed.push(ip) > 0,
    },
    { ...facts, family: 6 },
    undefined,
  )
  const asked = batches.flat()
  t.strictSame(asked.map(({ from, to }) => `${from} ${to}`).sort(), [
    'shop/a pod shop/a:80',
    'shop/a pod shop/c:80',
    'shop/a service shop/web:80',
    'shop/c pod shop/a:80',
    'shop/c pod shop/c:80',
    'shop/c service shop/web:80',
  ])
  t.strictSame([...new Set(asked.map(({ document }) => document.test.spec.family))], ['IPv6'])
  t.strictSame([...new Set(allowed)], ['fd00::2'])
  t.strictSame(leftOut, ['without an IPv6 address: shop/b', 'Services without an IPv6 address: shop/old'])
})

t.test('a Service that nobody serves must reject; one that is served may lead to its own client', async t => {
  const services = [service('web', { ports: [{ port: 80 }] }), service('closed', { ports: [{ port: 80 }] })]
  const { batches } = plan({ pods: [pod('a')], services, served: new Map([['shop/web', new Set(['node-1'])]]) })
  const expectations = Object.fromEntries(batches.flat().map(({ to, document }) => [to, document.test.spec.expect.preset]))
  t.strictSame(expectations, { 'pod shop/a': 'same-pod', 'service shop/web:80': 'service', 'service shop/closed:80': 'rejected' })
})

t.test('from outside each node is a door; with policy Local only those that have an endpoint open it', async t => {
  const ports = [{ port: 80, nodePort: 30080 }]
  const served = new Map([
    ['shop/web', new Set(['node-2'])],
    ['shop/local', new Set(['node-2'])],
  ])
  const services = [service('web', { ports }), service('local', { ports, externalTrafficPolicy: 'Local' })]
  t.strictSame(questions({ services, served }), [
    'ext1 . node-1:30080 (service shop/web)',
    'ext1 . node-2:30080 (service shop/local)',
    'ext1 . node-2:30080 (service shop/web)',
    'ext1 X node-1:30080 (service shop/local)',
  ])
})

t.test('what policies deny must be dropped; a Service of which they deny some endpoints is not asked', async t => {
  const pods = [pod('a', { containerPort: 80 }), pod('b', { containerPort: 81 })]
  const services = [
    service('all', { ports: [{ port: 80 }] }),
    service('none', { ports: [{ port: 80 }] }),
    service('some', { ports: [{ port: 80 }] }),
  ]
  const served = new Map(['all', 'none', 'some'].map(name => [`shop/${name}`, new Set(['node-1'])]))
  const [open, closed] = [
    { ip: '10.0.0.1', port: 80 },
    { ip: '10.0.0.2', port: 81 },
  ]
  const endpoints: Record<string, readonly (typeof open)[]> = { 'shop/all': [open], 'shop/none': [closed], 'shop/some': [open, closed] }
  const objects = {
    pods,
    services,
    served,
    endpointsOf: (key: string) => endpoints[key]!,
    isAllowed: (_: Pod, { port }: { port: number | undefined }) => port === 80,
  }
  t.strictSame(
    questions(objects).filter(text => text.startsWith('shop/a ')),
    ['shop/a . pod shop/a:80', 'shop/a . service shop/all:80', 'shop/a X pod shop/b:81', 'shop/a X service shop/none:80'],
  )
  t.match(plan(objects).leftOut, [/^some endpoints allowed by policy and some not: shop\/a → service shop\/some:80, /])
})

t.test('no sender has two questions in one batch', async t => {
  const pods = ['a', 'b', 'c'].map(name => pod(name))
  const { batches } = plan({ pods, services: [service('closed', { ports: [{ port: 1, nodePort: 30001 }] })] })
  t.equal(batches.length, 4)
  for (const batch of batches) t.equal(new Set(batch.map(({ from }) => from)).size, batch.length)
})

t.test('what cannot be asked is told', async t => {
  const { leftOut } = plan({
    pods: [pod('host', undefined, { hostNetwork: true } as never), { metadata: { namespace: 'shop', name: 'young' } }],
    services: [
      service('headless', { clusterIP: 'None', ports: [{ port: 80 }] }),
      service('game', { ports: [{ port: 9, protocol: 'UDP' }] }),
      service('api', { ports: [{ port: 443 }] }),
    ],
    foreign: new Set(['shop/api']),
  })
  t.strictSame(leftOut, [
    'not ready: shop/young',
    "on their node's own network: shop/host",
    'Services that lead to no Pods: shop/api',
    'headless Services, whose Pods are asked themselves: shop/headless',
    'ports of Services whose protocol only their clients speak: shop/game:9/UDP',
  ])
})

t.test('one namespace alone', async t => {
  const other: Pod = { ...pod('x'), metadata: { namespace: 'other', name: 'x' } }
  t.strictSame(
    plan({ pods: [pod('a'), other] }, 'other')
      .batches.flat()
      .map(({ from }) => from),
    ['other/x'],
  )
})
