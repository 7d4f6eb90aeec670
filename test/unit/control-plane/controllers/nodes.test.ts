import t from 'tap'
import { leases, nodes, pods } from '../../../../src/api/generated/resources.js'
import type { Lease, Node, Pod } from '../../../../src/api/generated/types.js'
import { isPodReady } from '../../../../src/api/pod-state.js'
import { parseCidr } from '../../../../src/base/net/address.js'
import { createClient } from '../../../../src/client/http-client.js'
import { createInformer } from '../../../../src/client/http-informer.js'
import { loadKubeconfig } from '../../../../src/client/kubeconfig.js'
import { waitFor } from '../../../../src/client/wait-for.js'
import { freeRange } from '../../../../src/control-plane/controllers/node-ipam.js'
import { nodeLifecycleController, taintsFor } from '../../../../src/control-plane/controllers/node-lifecycle.js'
import { taintEvictionController } from '../../../../src/control-plane/controllers/taint-eviction.js'
import { withApiServer } from '../../../support/api-server.js'
import { readyNode, withControlPlane } from '../../../support/control-plane.js'
import { heldClock } from '../../../support/held-clock.js'

t.test('ranges: the fixed one, else the lowest that is free and not fixed for another', async t => {
  const ranges = { podCidr: parseCidr('10.244.0.0/22'), nodeMaskSize: 24, reserved: { 'node-1': parseCidr('10.244.1.0/24') } }
  const taken = (...texts: string[]) => texts.map(parseCidr)
  t.equal(freeRange(ranges, 'node-1', []), '10.244.1.0/24')
  t.equal(freeRange(ranges, 'node-1', taken('10.244.1.0/24')), undefined, 'never shared')
  t.equal(freeRange(ranges, 'node-9', []), '10.244.0.0/24')
  t.equal(freeRange(ranges, 'node-9', taken('10.244.0.0/24')), '10.244.2.0/24')
  t.equal(freeRange(ranges, 'node-9', taken('10.244.0.0/24', '10.244.2.0/23')), undefined)
})

t.test('nodes that come at once get ranges of their own, and freed ones are used again', async t => {
  await withControlPlane(t, {}, async ({ client, until }) => {
    const names = ['node-2', 'node-1', 'x', 'y', 'z']
    await Promise.all(names.map(name => client.create(nodes, { metadata: { name } })))
    const found = await until(
      { resource: nodes },
      'a range each',
      all => all.length === 5 && all.every(({ spec }) => spec?.podCIDR !== undefined),
    )
    const rangeOf = (all: readonly Node[], name: string) => all.find(({ metadata }) => metadata?.name === name)?.spec?.podCIDR
    t.equal(rangeOf(found, 'node-1'), '10.244.1.0/24')
    t.equal(rangeOf(found, 'node-2'), '10.244.2.0/24')
    const others = ['x', 'y', 'z'].map(name => rangeOf(found, name))
    t.same(others.sort(), ['10.244.0.0/24', '10.244.3.0/24', '10.244.4.0/24'])
    t.ok(found.every(({ spec }) => spec?.podCIDRs?.[0] === spec?.podCIDR))
    const freed = found.find(({ spec }) => spec?.podCIDR === '10.244.0.0/24')?.metadata?.name ?? ''
    await client.delete(nodes, { name: freed })
    await client.create(nodes, { metadata: { name: 'later' } })
    await until({ resource: nodes }, 'the freed range', all => rangeOf(all, 'later') === '10.244.0.0/24')
  })
})

t.test('taints follow the condition Ready and leave others alone', async t => {
  const at = Date.parse('2026-01-01T00:00:00Z')
  const own = { key: 'mine', effect: 'NoSchedule' }
  const withReady = (status: string, taints: Node['spec']): Node => ({
    ...readyNode('a'),
    ...(taints && { spec: taints }),
    status: { conditions: [{ type: 'Ready', status }] },
  })
  const keys = (node: Node) => taintsFor(node, at)?.map(({ key, effect }) => `${key}:${effect}`)
  t.strictSame(keys(withReady('False', { taints: [own] })), [
    'mine:NoSchedule',
    'node.kubernetes.io/not-ready:NoSchedule',
    'node.kubernetes.io/not-ready:NoExecute',
  ])
  const unreachable = withReady('Unknown', { taints: taintsFor(withReady('False', { taints: [own] }), at)! })
  t.strictSame(keys(unreachable), [
    'mine:NoSchedule',
    'node.kubernetes.io/unreachable:NoSchedule',
    'node.kubernetes.io/unreachable:NoExecute',
  ])
  t.strictSame(keys(withReady('True', { taints: taintsFor(unreachable, at)! })), ['mine:NoSchedule'])
  const right = withReady('True', { taints: [own] })
  t.equal(taintsFor(right, at), right.spec?.taints, 'nothing to write')
})

t.test('a node that falls silent becomes Unknown, its Pods serve nobody, and in time are evicted', async t => {
  await withApiServer(t, async api => {
    const client = createClient(loadKubeconfig(api.kubeconfig))
    const stop = new AbortController()
    const clock = heldClock(Date.now())
    const informers = {
      nodes: createInformer<Node>(client, nodes),
      leases: createInformer<Lease>(client, leases),
      pods: createInformer<Pod>(client, pods),
    }
    const log = { warn: () => {} }
    const controllers = [
      nodeLifecycleController({ client, log, clock, ...informers }),
      taintEvictionController({ client, log, clock, ...informers }),
    ]
    const running = [...controllers, ...Object.values(informers)].map(part => part.run(stop.signal))
    const until = <T extends Node | Pod>(resource: typeof nodes | typeof pods, what: string, isMet: (found: readonly T[]) => boolean) =>
      waitFor(client, { resource: resource as never }, isMet as never, { what, timeoutMs: 10_000 }, stop.signal)
    try {
      await client.create(nodes, readyNode('node-1'))
      const renew = (renewTime: string) =>
        client.patch(leases, { namespace: 'kube-node-lease', name: 'node-1' }, { spec: { renewTime } }, { type: 'merge' })
      await client.create(leases, {
        metadata: { name: 'node-1', namespace: 'kube-node-lease' },
        spec: { holderIdentity: 'node-1', renewTime: '2026-01-01T00:00:00.000000Z' },
      })
      await client.create(pods, {
        metadata: { name: 'p', namespace: 'default' },
        spec: { nodeName: 'node-1', containers: [{ name: 'c', image: 'x' }] },
      })
      await client.patch(
        pods,
        { namespace: 'default', name: 'p' },
        { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } },
        { type: 'strategic', subresource: 'status' },
      )
      await waitFor(
        client,
        { resource: pods },
        () => informers.pods.list().some(isPodReady),
        { what: 'the copy', timeoutMs: 10_000 },
        stop.signal,
      )

      await clock.advance(40_000)
      await renew('2026-01-01T00:00:40.000000Z')
      await waitFor(
        client,
        { resource: leases },
        () => informers.leases.list()[0]?.spec?.renewTime?.includes(':40') === true,
        { what: 'the renewal', timeoutMs: 10_000 },
        stop.signal,
      )
      await clock.advance(40_000)
      t.equal((await client.get(nodes, { name: 'node-1' })).status?.conditions?.[0]?.status, 'True', 'it lives')

      await clock.advance(20_000)
      const isUnknown = ({ status }: Node) =>
        status?.conditions?.some(({ type, status, reason }) => type === 'Ready' && status === 'Unknown' && reason === 'NodeStatusUnknown')
      await until<Node>(
        nodes,
        'Unknown with taints',
        ([node]) => node !== undefined && isUnknown(node) === true && node.spec?.taints?.length === 2,
      )
      await until<Pod>(pods, 'its Pod not ready', ([pod]) => pod !== undefined && !isPodReady(pod))
      t.equal((await client.get(pods, { namespace: 'default', name: 'p' })).metadata?.deletionTimestamp, undefined)
      await clock.advance(310_000)
      await until<Pod>(pods, 'its Pod deleted', ([pod]) => pod === undefined || pod.metadata?.deletionTimestamp !== undefined)
    } finally {
      stop.abort()
      await Promise.all(running)
      client.close()
    }
  })
})
