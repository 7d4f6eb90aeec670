import t, { type Test } from 'tap'
import { pods as podResource } from '../../../../src/api/generated/resources.js'
import type { EndpointSlice, Node, Pod, ReplicaSet, Service } from '../../../../src/api/generated/types.js'
import { parseCidr } from '../../../../src/base/net/address.js'
import type { ApiObject, Client } from '../../../../src/client/client.js'
import type { Controller } from '../../../../src/control-plane/controllers/controller.js'
import { endpointSliceController } from '../../../../src/control-plane/controllers/endpoint-slice.js'
import { expectationTimeoutMs } from '../../../../src/control-plane/controllers/expectations.js'
import { nodeIpamController } from '../../../../src/control-plane/controllers/node-ipam.js'
import { replicaSetController } from '../../../../src/control-plane/controllers/replica-set.js'
import { type HeldClock, heldClock } from '../../../support/held-clock.js'
import { heldInformer } from '../../../support/held-informer.js'

/** A server that takes everything, for controllers whose copies do not show it yet. */
function takingClient() {
  const log: { verb: string; resource: string; object: ApiObject }[] = []
  const note = (verb: string) => async (resource: { resource: string }, object: ApiObject) => {
    if (resource.resource !== 'events') log.push({ verb, resource: resource.resource, object })
    return object
  }
  const client = {
    create: note('create'),
    update: note('update'),
    updateStatus: note('updateStatus'),
    async delete(resource: { resource: string }, at: { name: string }) {
      log.push({ verb: 'delete', resource: resource.resource, object: { metadata: { name: at.name } } })
    },
    async patch(resource: { resource: string }, _at: object, body: ApiObject) {
      log.push({ verb: 'patch', resource: resource.resource, object: body })
      return body
    },
  } as unknown as Client
  const of = (verb: string, resource: string) =>
    log.filter(entry => entry.verb === verb && entry.resource === resource).map(({ object }) => object)
  return { client, of }
}

function run(t: Test, controller: Controller, clock: HeldClock): void {
  const stop = new AbortController()
  const done = controller.run(stop.signal)
  t.teardown(async () => {
    stop.abort()
    await done
    if (clock.sleepers > 0) throw new Error('something sleeps on after the end')
  })
}

const log = { warn: () => {} }

t.test('a ReplicaSet whose Pods are not seen yet makes no others, and deletes none twice', async t => {
  const { client, of } = takingClient()
  const clock = heldClock()
  const replicaSet = (replicas: number, touched: number): ReplicaSet => ({
    metadata: { name: 'web', namespace: 'd', uid: 'rs', resourceVersion: String(touched) },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [] } },
    },
  })
  const replicaSets = heldInformer(replicaSet(2, 1))
  const pods = heldInformer<Pod>()
  run(t, replicaSetController({ client, log, clock, replicaSets, pods }), clock)
  await clock.settle()
  t.equal(of('create', 'pods').length, 2)
  replicaSets.show(replicaSet(2, 2))
  await clock.settle()
  t.equal(of('create', 'pods').length, 2, 'none of them is seen')
  const made = of('create', 'pods').map((pod, i) => ({ ...pod, metadata: { ...pod.metadata, uid: `p${i}` } }) as Pod)
  pods.show(made[0]!)
  await clock.settle()
  t.equal(of('create', 'pods').length, 2, 'one of them is seen')
  pods.show(made[1]!)
  await clock.settle()
  t.equal(of('create', 'pods').length, 2, 'both are seen')

  replicaSets.show(replicaSet(1, 3))
  await clock.settle()
  replicaSets.show(replicaSet(1, 4))
  await clock.settle()
  t.equal(of('delete', 'pods').length, 1)
  pods.hide(`d/${of('delete', podResource.resource)[0]!.metadata!.name}`)
  replicaSets.show(replicaSet(2, 5))
  await clock.settle()
  t.equal(of('create', 'pods').length, 3)
  // A Pod that was made and removed again is never seen; in time that is no reason to wait any more.
  await clock.advance(expectationTimeoutMs)
  t.equal(of('create', 'pods').length, 4)
})

t.test('a Service whose slice is not seen yet gets no second one', async t => {
  const { client, of } = takingClient()
  const clock = heldClock()
  const service = (touched: number): Service => ({
    metadata: { name: 'web', namespace: 'd', uid: 's', resourceVersion: String(touched) },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  })
  const services = heldInformer(service(1))
  const endpointSlices = heldInformer<EndpointSlice>()
  run(
    t,
    endpointSliceController({ client, log, clock, services, endpointSlices, pods: heldInformer<Pod>(), nodes: heldInformer<Node>() }),
    clock,
  )
  await clock.settle()
  services.show(service(2))
  await clock.settle()
  t.equal(of('create', 'endpointslices').length, 1)
  endpointSlices.show(of('create', 'endpointslices')[0]! as EndpointSlice)
  await clock.settle()
  t.equal(of('create', 'endpointslices').length, 1)
  t.equal(of('delete', 'endpointslices').length, 0)
})

t.test('a range that was given but is not seen yet is given to nobody else', async t => {
  const { client, of } = takingClient()
  const clock = heldClock()
  const node = (name: string): Node => ({ metadata: { name, uid: name } })
  const nodes = heldInformer(node('a'))
  const ranges = [{ podCidr: parseCidr('10.244.0.0/16'), nodeMaskSize: 24, reserved: {} }]
  run(t, nodeIpamController({ client, log, clock, nodes, ranges }), clock)
  await clock.settle()
  nodes.show(node('b'))
  nodes.show(node('a'))
  await clock.settle()
  t.strictSame(
    of('patch', 'nodes').map(object => (object as Node).spec?.podCIDR),
    ['10.244.0.0/24', '10.244.1.0/24'],
  )
})
