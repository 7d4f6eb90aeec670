import 'reflect-metadata'
import { webcrypto, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import t from 'tap'

import {
  certificatesigningrequests,
  clusterrolebindings,
  clusterroles,
  deployments,
  poddisruptionbudgets,
  pods,
} from '../../../../src/api/generated/resources.js'
import { apiRequest } from '../../../support/api-request.js'
import { deploymentOf, type TestControlPlane, withControlPlane } from '../../../support/control-plane.js'
import { type BoundKubectl, bindKubectl, findKubectls } from '../../../support/kubectl.js'

async function withKubectl(cluster: TestControlPlane, use: (kubectl: BoundKubectl) => Promise<void>): Promise<void> {
  const newest = (await findKubectls()).at(-1)
  if (!newest) throw new Error('no kubectl on this machine')
  const kubectl = bindKubectl(newest, cluster.api.kubeconfig)
  try {
    await use(kubectl)
  } finally {
    kubectl.dispose()
  }
}

t.test('an eviction keeps to the budget, and kubectl drain empties a node', t =>
  withControlPlane(t, { nodes: ['node-1', 'node-2'] }, async cluster => {
    const { client, api, until } = cluster
    await client.create(deployments, deploymentOf('web', { replicas: 2 }))
    const selector = { matchLabels: { app: 'web' } }
    await client.create(poddisruptionbudgets, { metadata: { name: 'web', namespace: 'default' }, spec: { minAvailable: 2, selector } })
    const isReady = (pod: { readonly status?: { readonly conditions?: readonly { type: string; status: string }[] } }) =>
      pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
    const running = await until({ resource: pods, namespace: 'default' }, 'two ready Pods', all => all.filter(isReady).length === 2)
    const budgets = { resource: poddisruptionbudgets, namespace: 'default' }
    await until(budgets, 'a budget that has counted them', ([budget]) => budget?.status?.currentHealthy === 2)

    const evict = (name = '') =>
      apiRequest(api, `/api/v1/namespaces/default/pods/${name}/eviction`, {
        method: 'POST',
        body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: 'default' } },
      })
    const { json } = await evict(running[0]?.metadata?.name)
    t.match(json, {
      code: 429,
      reason: 'TooManyRequests',
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      details: { causes: [{ reason: 'DisruptionBudget', message: 'The disruption budget web needs 2 healthy pods and has 2 currently' }] },
    })
    t.equal((await evict('none')).status, 404)

    await client.patch(
      poddisruptionbudgets,
      { namespace: 'default', name: 'web' },
      { spec: { minAvailable: null, maxUnavailable: '50%' } },
      { type: 'merge' },
    )
    const [budget] = await until(budgets, 'a budget with one to give', ([found]) => found?.status?.disruptionsAllowed === 1)
    t.match(budget?.status, { expectedPods: 2, desiredHealthy: 1, currentHealthy: 2 })
    await withKubectl(cluster, async kubectl => {
      const { code, stdout, stderr } = await kubectl.run(['drain', 'node-1', '--ignore-daemonsets', '--timeout=50s'])
      t.match({ code, stdout }, { code: 0, stdout: /node\/node-1 drained/ }, stderr)
    })
    await until(
      { resource: pods, namespace: 'default' },
      'all on the other node',
      all => all.length === 2 && all.every(pod => pod.spec?.nodeName === 'node-2'),
    )
  }),
)

t.test('evictions at the same time do not refuse each other', t =>
  withControlPlane(t, { nodes: ['node-1'] }, async ({ client, api, until }) => {
    await client.create(deployments, deploymentOf('web', { replicas: 4 }))
    const selector = { matchLabels: { app: 'web' } }
    await client.create(poddisruptionbudgets, { metadata: { name: 'web', namespace: 'default' }, spec: { minAvailable: 0, selector } })
    const budgets = { resource: poddisruptionbudgets, namespace: 'default' }
    await until(budgets, 'a budget that gives all', ([budget]) => budget?.status?.disruptionsAllowed === 4)
    const { items } = await client.list(pods, { namespace: 'default' })
    const answers = await Promise.all(
      items.map(({ metadata: { name = '' } = {} }) =>
        apiRequest(api, `/api/v1/namespaces/default/pods/${name}/eviction`, { method: 'POST', body: { metadata: { name } } }),
      ),
    )
    t.strictSame(
      answers.map(({ status }) => status),
      [201, 201, 201, 201],
    )
  }),
)

async function certificateRequest(name: string, extensions: readonly x509.Extension[] = []): Promise<string> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    { name, keys, signingAlgorithm, extensions: [...extensions] },
    webcrypto,
  )
  return Buffer.from(request.toString('pem')).toString('base64')
}

t.test('certificate requests are approved, signed and refused', t =>
  withControlPlane(t, {}, async cluster => {
    const { client, until, api } = cluster
    const ask = async (name: string, signerName: string, request: string, usages: readonly string[]) =>
      client.create(certificatesigningrequests, {
        metadata: { name },
        spec: { request, signerName: `kubernetes.io/${signerName}`, usages },
      })
    const one = (name: string) => ({ resource: certificatesigningrequests, fieldSelector: `metadata.name=${name}` })

    await withKubectl(cluster, async kubectl => {
      const created = await ask('bob', 'kube-apiserver-client', await certificateRequest('CN=bob, O=devs'), ['client auth'])
      t.match(created.spec, { username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] })
      t.match(await kubectl.run(['certificate', 'approve', 'bob']), { code: 0, stdout: /bob approved/ })
      const [signed] = await until(one('bob'), 'a certificate', ([found]) => found?.status?.certificate !== undefined)
      const certificate = new X509Certificate(Buffer.from(signed?.status?.certificate ?? '', 'base64'))
      t.equal(certificate.subject, 'CN=bob\nO=devs')
      t.ok(certificate.verify(new X509Certificate(api.pki.ca).publicKey))

      await ask('no', 'kube-apiserver-client', await certificateRequest('CN=eve'), ['client auth'])
      t.match(await kubectl.run(['certificate', 'deny', 'no']), { code: 0, stdout: /no denied/ })
      t.match((await client.get(certificatesigningrequests, { name: 'no' })).status, { conditions: [{ type: 'Denied', status: 'True' }] })

      // A signer looks again, whoever approved.
      await ask('serving', 'kubelet-serving', await certificateRequest('CN=system:node:n, O=system:nodes'), [
        'server auth',
        'digital signature',
      ])
      await kubectl.run(['certificate', 'approve', 'serving'])
      const [refused] = await until(
        one('serving'),
        'a refusal',
        ([found]) => found?.status?.conditions?.some(({ type }) => type === 'Failed') ?? false,
      )
      t.match(refused?.status?.conditions?.at(-1), { reason: 'SignerValidationFailure', message: 'at least one DNS or IP SAN is required' })
    })
    const masters = await certificateRequest('CN=eve, O=system:masters')
    await t.rejects(
      ask('up', 'kube-apiserver-client', masters, ['client auth']),
      /use of kubernetes.io\/kube-apiserver-client signer with system:masters group is not allowed/,
    )

    // A kubelet's own certificate needs nobody's hand once its author may have one.
    const rules = [{ apiGroups: ['certificates.k8s.io'], resources: ['certificatesigningrequests'], verbs: ['create'] }]
    await client.create(clusterroles, { metadata: { name: 'ask' }, rules })
    const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'bootstrappers' }]
    for (const name of ['ask', 'system:certificates.k8s.io:certificatesigningrequests:nodeclient']) {
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name }
      await client.create(clusterrolebindings, { metadata: { name: `bootstrap:${name}` }, roleRef, subjects })
    }
    const identity = await api.pki.client('boot', ['bootstrappers'])
    const spec = {
      request: await certificateRequest('CN=system:node:n, O=system:nodes'),
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usages: ['client auth', 'digital signature'],
    }
    const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
    t.equal((await apiRequest(api, path, { method: 'POST', identity, body: { metadata: { name: 'boot' }, spec } })).status, 201)
    await until(one('boot'), 'a certificate', ([found]) => found?.status?.certificate !== undefined)
    const approve = { ...spec, signerName: 'kubernetes.io/kube-apiserver-client' }
    t.equal((await apiRequest(api, path, { method: 'POST', identity, body: { metadata: { name: 'mine' }, spec: approve } })).status, 201)
    const { status } = await apiRequest(api, `${path}/mine/approval`, {
      method: 'PUT',
      identity,
      body: { metadata: { name: 'mine' }, spec: approve },
    })
    t.equal(status, 403)
  }),
)

t.test('admin, edit and view gather their rules', t =>
  withControlPlane(t, {}, async ({ until, client }) => {
    const view = { resource: clusterroles, fieldSelector: 'metadata.name=admin' }
    await until(view, 'rules of all three', ([role]) => (role?.rules?.length ?? 0) > 20)
    const rules = [{ apiGroups: ['shop.example'], resources: ['carts'], verbs: ['get'] }]
    await client.create(clusterroles, {
      metadata: { name: 'carts', labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } },
      rules,
    })
    await until(
      view,
      'a rule that came by way of view and edit',
      ([role]) => role?.rules?.some(({ resources }) => resources?.includes('carts')) ?? false,
    )
  }),
)
