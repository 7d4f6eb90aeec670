import t, { type Test } from 'tap'
import type { ApiResource } from '../../../../src/api/api-resource.js'
import {
  configmaps,
  customresourcedefinitions,
  deployments,
  jobs,
  namespaces,
  pods,
  replicasets,
  serviceaccounts,
} from '../../../../src/api/generated/resources.js'
import type { ConfigMap, CustomResourceDefinition } from '../../../../src/api/generated/types.js'
import type { Client } from '../../../../src/client/client.js'
import { deploymentOf, type TestControlPlane, withControlPlane } from '../../../support/control-plane.js'

async function owned(client: Client, name: string, owners: readonly ConfigMap[], blockOwnerDeletion = true): Promise<ConfigMap> {
  const ownerReferences = owners.map(({ metadata }) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    blockOwnerDeletion,
  }))
  return client.create(configmaps, { metadata: { name, namespace: 'default', ownerReferences } })
}

const names = (found: readonly ConfigMap[]) =>
  found.flatMap(({ metadata }) => (metadata?.name === 'kube-root-ca.crt' ? [] : (metadata?.name ?? []))).sort()
const isLeft = ({ until }: TestControlPlane, ...wanted: readonly string[]) =>
  until(
    { resource: configmaps, namespace: 'default' },
    `only ${wanted.join(', ')}`,
    found => JSON.stringify(names(found)) === JSON.stringify(wanted),
  )
const at = (name: string) => ({ namespace: 'default', name })

const withTree = (t: Test, use: (cluster: TestControlPlane, root: ConfigMap) => Promise<void>) =>
  withControlPlane(t, {}, async cluster => {
    const root = await owned(cluster.client, 'a-root', [])
    const child = await owned(cluster.client, 'b-child', [root])
    await owned(cluster.client, 'c-grandchild', [child])
    await use(cluster, root)
  })

t.test('background: what is owned goes after its owner, all the way down', async t => {
  await withTree(t, async cluster => {
    await cluster.client.delete(configmaps, at('a-root'), { propagationPolicy: 'Background' })
    await isLeft(cluster)
  })
})

t.test('foreground: the owner goes last', async t => {
  await withTree(t, async cluster => {
    const { client, until } = cluster
    await client.patch(configmaps, at('c-grandchild'), { metadata: { finalizers: ['podwire.dev/hold'] } }, { type: 'merge' })
    await client.delete(configmaps, at('a-root'), { propagationPolicy: 'Foreground' })
    await until({ resource: configmaps, namespace: 'default' }, 'all three going', found =>
      ['a-root', 'b-child', 'c-grandchild'].every(name =>
        found.some(({ metadata }) => metadata?.name === name && metadata.deletionTimestamp !== undefined),
      ),
    )
    await client.patch(configmaps, at('c-grandchild'), { metadata: { finalizers: null } }, { type: 'merge' })
    await isLeft(cluster)
  })
})

t.test('orphan: what was owned stays, without its owner', async t => {
  await withTree(t, async cluster => {
    await cluster.client.delete(configmaps, at('a-root'), { propagationPolicy: 'Orphan' })
    await isLeft(cluster, 'b-child', 'c-grandchild')
    const child = await cluster.client.get(configmaps, at('b-child'))
    t.same(child.metadata?.ownerReferences ?? [], [])
  })
})

t.test('an object with another owner stays; one whose owner never was goes', async t => {
  await withTree(t, async (cluster, root) => {
    const { client, until } = cluster
    const other = await owned(client, 'other', [])
    await owned(client, 'shared', [root, other])
    await owned(client, 'stray', [{ metadata: { name: 'never', uid: '00000000-0000-4000-8000-000000000000' } }])
    await client.delete(configmaps, at('a-root'))
    await isLeft(cluster, 'other', 'shared')
    await until(
      { resource: configmaps, fieldSelector: 'metadata.name=shared' },
      'one owner',
      ([found]) => found?.metadata?.ownerReferences?.length === 1,
    )
  })
})

t.test('a Deployment takes its ReplicaSets and Pods with it', async t => {
  await withControlPlane(t, { nodes: ['node-1'] }, async ({ client, until }) => {
    await client.create(deployments, deploymentOf('web'))
    await until({ resource: pods }, '3 Pods', found => found.length === 3)
    await client.delete(deployments, at('web'))
    await until({ resource: replicasets }, 'no ReplicaSet', found => found.length === 0)
    await until({ resource: pods }, 'no Pod', found => found.length === 0)
  })
})

t.test('namespaces: each has its defaults, mended when lost; deleting one empties it first', async t => {
  await withControlPlane(t, { nodes: ['node-1'] }, async ({ api, client, until }) => {
    await client.create(namespaces, { metadata: { name: 'shop' } })
    await until({ resource: serviceaccounts, namespace: 'shop' }, 'a ServiceAccount', found => found[0]?.metadata?.name === 'default')
    const hasCa = (found: readonly ConfigMap[]) =>
      found[0]?.metadata?.name === 'kube-root-ca.crt' && found[0].data?.['ca.crt'] === api.pki.ca
    await until({ resource: configmaps, namespace: 'shop' }, 'the CA', hasCa)
    await client.patch(configmaps, { namespace: 'shop', name: 'kube-root-ca.crt' }, { data: { 'ca.crt': 'forged' } }, { type: 'merge' })
    await until({ resource: configmaps, namespace: 'shop' }, 'the CA again', hasCa)
    await client.delete(serviceaccounts, { namespace: 'shop', name: 'default' })
    await until({ resource: serviceaccounts, namespace: 'shop' }, 'the ServiceAccount again', found => found.length === 1)

    const web = deploymentOf('web')
    await client.create(deployments, { ...web, metadata: { name: 'web', namespace: 'shop' } })
    await until({ resource: pods, namespace: 'shop' }, '3 Pods', found => found.length === 3)
    await client.delete(namespaces, { name: 'shop' })
    await until({ resource: namespaces, fieldSelector: 'metadata.name=shop' }, 'no namespace', found => found.length === 0)
    for (const resource of [pods, configmaps, serviceaccounts, deployments]) {
      const { items } = await client.list(resource as typeof pods, { namespace: 'shop' })
      t.equal(items.length, 0, `no ${resource.resource}`)
    }
  })
})

/** A kind that is defined while the controllers run. */
const widgets: ApiResource<ConfigMap> = {
  ...configmaps,
  group: 'example.com',
  version: 'v1',
  resource: 'widgets',
  kind: 'Widget',
}
const definition: CustomResourceDefinition = {
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget' },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
}
const isEstablished = ([found]: readonly CustomResourceDefinition[]) =>
  found?.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ?? false

t.test('every kind may own: a Job is orphaned from, objects of a new kind own and are owned', async t => {
  await withControlPlane(t, {}, async cluster => {
    const { client, until } = cluster
    const job = await client.create(jobs, {
      metadata: { name: 'job', namespace: 'default' },
      spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'podwire/toolbox' }] } } },
    })
    const ownedBy = (name: string, apiVersion: string, kind: string, uid = '') => ({
      metadata: { name: `of-${name}`, namespace: 'default', ownerReferences: [{ apiVersion, kind, name, uid }] },
    })
    await client.create(configmaps, ownedBy('job', 'batch/v1', 'Job', job.metadata?.uid))
    await client.delete(jobs, at('job'), { propagationPolicy: 'Orphan' })
    await until({ resource: jobs }, 'no Job', found => found.length === 0)
    t.same((await client.get(configmaps, at('of-job'))).metadata?.ownerReferences ?? [], [])

    await client.create(customresourcedefinitions, definition)
    await until({ resource: customresourcedefinitions }, 'an established definition', isEstablished)
    const widget = await client.create(widgets, { metadata: { name: 'widget', namespace: 'default' } })
    // Another version of the group names the same kind.
    await client.create(configmaps, ownedBy('widget', 'example.com/v2', 'Widget', widget.metadata?.uid))
    await client.create(widgets, ownedBy('never', 'v1', 'ConfigMap', '00000000-0000-4000-8000-000000000000'))
    await until({ resource: widgets, namespace: 'default' }, 'one that has no owner', found => found.length === 1)
    await client.delete(widgets, at('widget'))
    await isLeft(cluster, 'of-job')

    await client.create(namespaces, { metadata: { name: 'shop' } })
    await client.create(widgets, { metadata: { name: 'widget', namespace: 'shop' } })
    await client.delete(namespaces, { name: 'shop' })
    await until({ resource: namespaces, fieldSelector: 'metadata.name=shop' }, 'no namespace', found => found.length === 0)
    t.same((await client.list(widgets)).items, [])
  })
})
