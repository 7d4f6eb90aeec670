import t from 'tap'
import { deployments, pods, replicasets } from '../../../../src/api/generated/resources.js'
import type { Pod } from '../../../../src/api/generated/types.js'
import { isPodActive, isPodReady } from '../../../../src/api/pod-state.js'
import { createInformer } from '../../../../src/client/http-informer.js'
import { deploymentOf, withControlPlane } from '../../../support/control-plane.js'

const at = { namespace: 'default', name: 'web' }
const imageOf = (pod: Pod) => pod.spec?.containers[0]?.image

t.test('a Deployment comes up, scales, rolls out without falling below what is available, and back', async t => {
  await withControlPlane(t, { nodes: ['node-1', 'node-2'] }, async ({ client, signal, until }) => {
    const only = { resource: deployments, fieldSelector: 'metadata.name=web' }
    const isDone = (generation: number, replicas: number) =>
      until(only, `generation ${generation} with ${replicas} available`, ([found]) => {
        const { observedGeneration, updatedReplicas, availableReplicas, replicas: all } = found?.status ?? {}
        return observedGeneration === generation && updatedReplicas === replicas && availableReplicas === replicas && all === replicas
      })
    await client.create(
      deployments,
      deploymentOf('web', { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } }),
    )
    const [up] = await isDone(1, 3)
    t.equal(up?.metadata?.annotations?.['deployment.kubernetes.io/revision'], '1')
    t.match(
      up?.status?.conditions?.map(({ type, status, reason }) => [type, status, reason]),
      [
        ['Available', 'True', 'MinimumReplicasAvailable'],
        ['Progressing', 'True', 'NewReplicaSetAvailable'],
      ],
    )
    const nodes = (await client.list(pods)).items.map(({ spec }) => spec?.nodeName)
    t.same(new Set(nodes), new Set(['node-1', 'node-2']), 'its Pods are spread')

    await client.patch(deployments, at, { spec: { replicas: 5 } }, { type: 'merge' })
    await isDone(2, 5)

    // Every state of the Pods during the rollout is looked at, not only its end.
    const copy = createInformer(client, pods)
    const stop = new AbortController()
    const seen: number[] = []
    const following = copy.run(AbortSignal.any([signal, stop.signal]))
    await copy.synced
    let most = 0
    copy.onChange(() => {
      const active = copy.list().filter(isPodActive)
      seen.push(active.filter(isPodReady).length)
      most = Math.max(most, active.length)
    })
    const image = { spec: { template: { spec: { containers: [{ name: 'main', image: 'podwire/toolbox:2' }] } } } }
    await client.patch(deployments, at, image, { type: 'strategic' })
    const [rolled] = await isDone(3, 5)
    t.ok(Math.min(...seen) >= 5, `never fewer than 5 ready, saw ${Math.min(...seen)}`)
    t.ok(most <= 6, `never more than 6, saw ${most}`)
    stop.abort()
    await following
    t.ok((await client.list(pods)).items.filter(isPodActive).every(pod => imageOf(pod) === 'podwire/toolbox:2'))
    t.equal(rolled?.metadata?.annotations?.['deployment.kubernetes.io/revision'], '2')

    // Back to the first template: its ReplicaSet is used again, under a new revision.
    const before = (await client.list(replicasets)).items
    t.equal(before.length, 2)
    const back = { spec: { template: { spec: { containers: [{ name: 'main', image: 'podwire/toolbox' }] } } } }
    await client.patch(deployments, at, back, { type: 'strategic' })
    await isDone(4, 5)
    const after = (await client.list(replicasets)).items
    t.same(new Set(after.map(({ metadata }) => metadata?.name)), new Set(before.map(({ metadata }) => metadata?.name)))
    const used = after.find(({ spec }) => spec?.replicas === 5)
    t.match(used?.metadata?.annotations, { 'deployment.kubernetes.io/revision': '3', 'deployment.kubernetes.io/revision-history': '1' })
  })
})

t.test('a rollout to what never becomes ready stops with the old Pods serving', async t => {
  await withControlPlane(t, { nodes: ['node-1'], becomesReady: pod => imageOf(pod) !== 'broken' }, async ({ client, until }) => {
    await client.create(deployments, deploymentOf('web', { replicas: 4 }))
    await until({ resource: deployments }, '4 available', ([found]) => found?.status?.availableReplicas === 4)
    const broken = { spec: { template: { spec: { containers: [{ name: 'main', image: 'broken' }] } } } }
    await client.patch(deployments, at, broken, { type: 'strategic' })
    // 25 % surge and unavailability of 4: one more, one fewer.
    await until({ resource: pods }, '3 old ready and 2 new', found => {
      const active = found.filter(isPodActive)
      const old = active.filter(pod => imageOf(pod) !== 'broken' && isPodReady(pod)).length
      const fresh = active.filter(pod => imageOf(pod) === 'broken' && pod.status?.phase === 'Running').length
      return old === 3 && fresh === 2 && active.length === 5
    })
    // Growing in the middle of it is shared between both.
    await client.patch(deployments, at, { spec: { replicas: 8 } }, { type: 'merge' })
    await until(
      { resource: replicasets },
      '10 replicas in all',
      found => found.reduce((sum, { spec }) => sum + (spec?.replicas ?? 0), 0) === 10,
    )
    const sizes = (await client.list(replicasets)).items.map(({ spec }) => spec?.replicas)
    t.same(sizes.sort(), [4, 6])
  })
})

t.test('Recreate starts the new only after the old have ended', async t => {
  let mayEnd = false
  const ends = () => mayEnd
  await withControlPlane(t, { nodes: ['node-1'], ends }, async ({ client, until }) => {
    await client.create(deployments, deploymentOf('web', { replicas: 2, strategy: { type: 'Recreate' } }))
    await until({ resource: deployments }, '2 available', ([found]) => found?.status?.availableReplicas === 2)
    await client.patch(deployments, at, { spec: { template: { spec: { hostname: 'x' } } } }, { type: 'merge' })
    const going = await until({ resource: pods }, 'both old ones going', found => found.filter(pod => !isPodActive(pod)).length === 2)
    t.equal(going.length, 2, 'and no new one beside them')
    mayEnd = true
    for (const { metadata } of going) {
      await client.delete(pods, { namespace: 'default', name: metadata?.name ?? '' }, { gracePeriodSeconds: 0 })
    }
    await until(
      { resource: pods },
      '2 new ones ready',
      found => found.length === 2 && found.every(pod => pod.spec?.hostname === 'x' && isPodReady(pod)),
    )
  })
})

t.test('a ReplicaSet replaces a lost Pod, adopts an orphan, lets go of a stranger', async t => {
  await withControlPlane(t, { nodes: ['node-1'] }, async ({ client, until }) => {
    await client.create(deployments, deploymentOf('web', { replicas: 2 }))
    const [first] = await until({ resource: pods }, '2 ready', found => found.filter(isPodReady).length === 2)
    const name = first?.metadata?.name ?? ''
    await client.patch(pods, { namespace: 'default', name }, { metadata: { labels: { app: 'other' } } }, { type: 'merge' })
    const three = await until({ resource: pods }, 'a third in place of the stranger', found => found.filter(isPodReady).length === 3)
    const stranger = three.find(pod => pod.metadata?.name === name)
    t.same(stranger?.metadata?.ownerReferences ?? [], [])
    // Labelled again it is adopted, and then one is too many.
    await client.patch(pods, { namespace: 'default', name }, { metadata: { labels: { app: 'web' } } }, { type: 'merge' })
    await until({ resource: pods }, '2 again', found => found.length === 2)
    for (const { metadata } of (await client.list(pods)).items) {
      await client.delete(pods, { namespace: 'default', name: metadata?.name ?? '' })
    }
    await until(
      { resource: pods },
      '2 new ones',
      found => found.length === 2 && found.every(pod => isPodReady(pod) && pod.metadata?.name !== name),
    )
  })
})

t.test('no Pod is made twice, however fast the wanted number changes', async t => {
  await withControlPlane(t, { nodes: ['node-1'] }, async ({ client, until }) => {
    const copy = new Set<string>()
    await client.create(deployments, deploymentOf('web', { replicas: 1 }))
    for (let replicas = 2; replicas <= 20; replicas++) await client.patch(deployments, at, { spec: { replicas } }, { type: 'merge' })
    await until({ resource: pods }, '20 ready', found => {
      for (const { metadata } of found) copy.add(metadata?.uid ?? '')
      return found.filter(isPodReady).length === 20
    })
    await until({ resource: deployments }, 'the Deployment to say so', ([found]) => found?.status?.availableReplicas === 20)
    t.equal(copy.size, 20)
  })
})
