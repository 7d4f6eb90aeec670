import t, { type Test } from 'tap'

import { apiRequest } from '../../../../support/api-request.js'
import { type TestApiServer, withApiServer } from '../../../../support/api-server.js'
import type { TestIdentity } from '../../../../support/test-pki.js'

const core = '/api/v1/namespaces/default'
const container = { name: 'main', image: 'i' }
const pod = (name: string, spec: object = {}, metadata: object = {}) => ({
  metadata: { name, ...metadata },
  spec: { containers: [container], ...spec },
})

/** What a request answers. */
const asking = (api: TestApiServer) => async (method: string, path: string, body?: object, identity?: TestIdentity) => {
  const headers = method === 'PATCH' ? { 'content-type': 'application/merge-patch+json' } : {}
  const { json } = await apiRequest(api, path, { method, headers, ...(body && { body }), ...(identity && { identity }) })
  return json
}

const inCluster = (
  name: string,
  use: (t: Test, ask: ReturnType<typeof asking>, api: TestApiServer) => Promise<void>,
  disabled: readonly string[] = [],
) => t.test(name, t => withApiServer(t, api => use(t, asking(api), api), { disabledAdmissionPlugins: disabled }))
const withoutAccounts = ['ServiceAccount']

inCluster('ServiceAccount: every Pod has an account and its token', async (t, ask) => {
  const late = ask('POST', `${core}/pods`, pod('early'))
  await ask('POST', `${core}/serviceaccounts`, { metadata: { name: 'default' }, imagePullSecrets: [{ name: 'registry' }] })
  const early = await late
  const [volume] = early.spec.volumes
  t.match(
    early.spec,
    { serviceAccountName: 'default', serviceAccount: 'default', imagePullSecrets: [{ name: 'registry' }] },
    'it waited for the account',
  )
  t.match(volume, {
    name: /^kube-api-access-[a-z0-9]{5}$/,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt' } },
        { downwardAPI: {} },
      ],
    },
  })
  t.match(early.spec.containers[0].volumeMounts, [
    { name: volume.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
  ])

  await ask('POST', `${core}/serviceaccounts`, { metadata: { name: 'quiet' }, automountServiceAccountToken: false })
  const rows: readonly (readonly [string, object, boolean])[] = [
    ['the Pod says no', { automountServiceAccountToken: false }, false],
    ['the account says no', { serviceAccountName: 'quiet' }, false],
    ['the Pod overrules its account', { serviceAccountName: 'quiet', automountServiceAccountToken: true }, true],
  ]
  for (const [i, [why, spec, isMounted]] of rows.entries()) {
    const created = await ask('POST', `${core}/pods`, pod(`p${i}`, spec))
    t.equal(Boolean(created.spec.volumes?.length), isMounted, why)
  }
  const own = { ...container, volumeMounts: [{ name: 'mine', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }] }
  const kept = await ask('POST', `${core}/pods`, pod('own', { containers: [own], volumes: [{ name: 'mine', emptyDir: {} }] }))
  t.strictSame(kept.spec.volumes, [{ name: 'mine', emptyDir: {} }], 'what a container has put there stays')
  t.match(await ask('POST', `${core}/pods`, pod('none', { serviceAccountName: 'none' })), {
    code: 403,
    message: 'pods "none" is forbidden: error looking up service account default/none: serviceaccount "none" not found',
  })
})

inCluster(
  'NamespaceLifecycle',
  async (t, ask) => {
    t.match(await ask('POST', '/api/v1/namespaces/none/configmaps', { metadata: { name: 'a' } }), {
      code: 404,
      message: 'namespaces "none" not found',
    })
    t.match(await ask('DELETE', '/api/v1/namespaces/default'), {
      code: 403,
      message: 'namespaces "default" is forbidden: this namespace may not be deleted',
    })
    await ask('POST', '/api/v1/namespaces', { metadata: { name: 'going' } })
    await ask('DELETE', '/api/v1/namespaces/going')
    t.match(await ask('POST', '/api/v1/namespaces/going/configmaps', { metadata: { name: 'a' } }), {
      code: 403,
      message: /because it is being terminated/,
      details: { causes: [{ reason: 'NamespaceTerminating' }] },
    })
  },
  withoutAccounts,
)

inCluster(
  'LimitRanger',
  async (t, ask) => {
    const limits = [
      {
        type: 'Container',
        default: { cpu: '500m' },
        defaultRequest: { cpu: '200m' },
        min: { cpu: '100m' },
        max: { cpu: '1' },
        maxLimitRequestRatio: { cpu: '4' },
      },
      { type: 'Pod', max: { cpu: '1500m' } },
    ]
    await ask('POST', `${core}/limitranges`, { metadata: { name: 'limits' }, spec: { limits } })
    const create = (name: string, ...resources: readonly object[]) =>
      ask('POST', `${core}/pods`, pod(name, { containers: resources.map((one, i) => ({ name: `c${i}`, image: 'i', resources: one })) }))
    const filled = await create('filled', {})
    t.strictSame(filled.spec.containers[0].resources, { limits: { cpu: '500m' }, requests: { cpu: '200m' } })
    t.equal(
      filled.metadata.annotations['kubernetes.io/limit-ranger'],
      'LimitRanger plugin set: cpu request for container c0; cpu limit for container c0',
    )
    const limited = { limits: { cpu: '300m' } }
    t.match((await create('limited', limited)).spec.containers[0].resources, { requests: { cpu: '300m' } }, 'a limit is a request')
    const rows: readonly (readonly [readonly object[], string])[] = [
      [[{ limits: { cpu: '2' }, requests: { cpu: '1' } }], 'maximum cpu usage per Container is 1, but limit is 2'],
      [[{ limits: { cpu: '100m' }, requests: { cpu: '50m' } }], 'minimum cpu usage per Container is 100m, but request is 50m'],
      [
        [{ limits: { cpu: '1' }, requests: { cpu: '200m' } }],
        'cpu max limit to request ratio per Container is 4, but provided ratio is 5.000000',
      ],
      [
        [
          { limits: { cpu: '1' }, requests: { cpu: '1' } },
          { limits: { cpu: '1' }, requests: { cpu: '1' } },
        ],
        'maximum cpu usage per Pod is 1500m, but limit is 2',
      ],
    ]
    for (const [resources, want] of rows) {
      const { code, message } = await create('refused', ...resources)
      t.equal(code, 403, want)
      t.match(message, want)
    }
  },
  withoutAccounts,
)

inCluster(
  'Priority',
  async (t, ask) => {
    const classes = '/apis/scheduling.k8s.io/v1/priorityclasses'
    await ask('POST', classes, { metadata: { name: 'high' }, value: 1000, preemptionPolicy: 'Never' })
    const create = (name: string, spec: object) => ask('POST', `${core}/pods`, pod(name, spec))
    t.match((await create('plain', {})).spec, { priority: 0, preemptionPolicy: 'PreemptLowerPriority' })
    t.match((await create('high', { priorityClassName: 'high' })).spec, { priority: 1000, preemptionPolicy: 'Never' })
    t.match((await create('system', { priorityClassName: 'system-node-critical' })).spec, { priority: 2_000_001_000 })
    t.match(
      (await create('none', { priorityClassName: 'none' })).message,
      'pods "none" is forbidden: no PriorityClass with name none was found',
    )
    t.match((await create('liar', { priority: 7 })).message, /the integer value of priority \(7\) must not be provided in pod spec/)
    await ask('POST', classes, { metadata: { name: 'usual' }, value: 5, globalDefault: true })
    t.match((await create('usual', {})).spec, { priority: 5, priorityClassName: 'usual' })
    t.match(
      (await ask('POST', classes, { metadata: { name: 'two' }, value: 6, globalDefault: true })).message,
      /usual is already marked as default/,
    )
  },
  withoutAccounts,
)

inCluster(
  'DefaultTolerationSeconds, DefaultStorageClass, DefaultIngressClass, TaintNodesByCondition',
  async (t, ask) => {
    const lost = ['not-ready', 'unreachable'].map(word => ({
      key: `node.kubernetes.io/${word}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 300,
    }))
    t.strictSame((await ask('POST', `${core}/pods`, pod('a'))).spec.tolerations, lost)
    const own = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 }
    t.strictSame((await ask('POST', `${core}/pods`, pod('b', { tolerations: [own] }))).spec.tolerations, [own, lost[1]])
    t.strictSame((await ask('POST', `${core}/pods`, pod('c', { tolerations: [{ operator: 'Exists' }] }))).spec.tolerations, [
      { operator: 'Exists' },
    ])

    const claim = (name: string, spec: object = {}) =>
      ask('POST', `${core}/persistentvolumeclaims`, {
        metadata: { name },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
      })
    t.notOk((await claim('before')).spec.storageClassName)
    const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' }
    await ask('POST', '/apis/storage.k8s.io/v1/storageclasses', { metadata: { name: 'fast', annotations }, provisioner: 'x.example/y' })
    t.equal((await claim('after')).spec.storageClassName, 'fast')
    t.equal((await claim('none', { storageClassName: '' })).spec.storageClassName ?? '', '', 'an empty name asks for none')

    const ingress = (name: string) =>
      ask('POST', '/apis/networking.k8s.io/v1/namespaces/default/ingresses', {
        metadata: { name },
        spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } },
      })
    t.notOk((await ingress('before')).spec.ingressClassName)
    const isDefault = { 'ingressclass.kubernetes.io/is-default-class': 'true' }
    await ask('POST', '/apis/networking.k8s.io/v1/ingressclasses', {
      metadata: { name: 'front', annotations: isDefault },
      spec: { controller: 'x.example/y' },
    })
    t.equal((await ingress('after')).spec.ingressClassName, 'front')

    t.strictSame((await ask('POST', '/api/v1/nodes', { metadata: { name: 'n' } })).spec.taints, [
      { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' },
    ])
  },
  withoutAccounts,
)

inCluster(
  'NodeRestriction and the Node authorizer: a node reads and writes what is its own',
  async (t, ask, api) => {
    const node = await api.pki.client('system:node:n1', ['system:nodes'])
    for (const name of ['used', 'unused']) await ask('POST', `${core}/secrets`, { metadata: { name } })
    await ask('POST', `${core}/serviceaccounts`, { metadata: { name: 'default' } })
    const volumes = [{ name: 'v', secret: { secretName: 'used' } }]
    await ask('POST', `${core}/pods`, pod('mine', { nodeName: 'n1', volumes }))
    await ask('POST', `${core}/pods`, pod('others', { nodeName: 'n2' }))
    const { metadata } = await ask('GET', `${core}/pods/mine`)
    const bound = (name: string, uid?: string) => ({
      spec: { audiences: [], boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, ...(uid && { uid }) } },
    })
    const lease = (name: string) => ({ metadata: { name } })
    const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
    const status = { status: { phase: 'Running' } }
    const labels = (label: string) => ({ metadata: { labels: { [label]: 'x' } } })
    const rows: readonly (readonly [string, string, object | undefined, RegExp | undefined])[] = [
      ['POST', '/api/v1/nodes', { metadata: { name: 'n2' } }, /node "n1" is not allowed to modify node "n2"/],
      ['POST', '/api/v1/nodes', { metadata: { name: 'n1' } }, undefined],
      ['GET', '/api/v1/nodes/n1', undefined, undefined],
      ['PATCH', '/api/v1/nodes/n1', labels('topology.kubernetes.io/zone'), undefined],
      ['PATCH', '/api/v1/nodes/n1', labels('shop.example/rack'), undefined],
      [
        'PATCH',
        '/api/v1/nodes/n1',
        labels('node-restriction.kubernetes.io/a'),
        /is not allowed to modify labels: node-restriction.kubernetes.io\/a/,
      ],
      ['PATCH', '/api/v1/nodes/n1', { spec: { taints: [] } }, /not allowed to modify taints/],
      ['DELETE', '/api/v1/nodes/n1', undefined, /cannot delete resource "nodes"/],
      ['GET', `${core}/secrets/used`, undefined, undefined],
      ['GET', `${core}/secrets/unused`, undefined, /no relationship found between node 'n1' and this object/],
      ['GET', `${core}/secrets`, undefined, /can only read namespaced object of this type/],
      ['GET', '/api/v1/pods?fieldSelector=spec.nodeName%3Dn1', undefined, undefined],
      ['PATCH', `${core}/pods/mine/status`, status, undefined],
      ['PATCH', `${core}/pods/others/status`, status, /can only update pod status for pods with spec.nodeName set to itself/],
      ['POST', `${core}/pods`, pod('new', { nodeName: 'n1' }), /can only create mirror pods/],
      ['DELETE', `${core}/pods/others`, undefined, /can only delete pods with spec.nodeName set to itself/],
      ['PATCH', `${core}/pods/mine`, labels('a'), /cannot patch resource "pods"/],
      ['POST', leases, lease('n1'), undefined],
      ['POST', leases, lease('n2'), /can only access node lease with the same name as the requesting node/],
      ['POST', `${core}/serviceaccounts/default/token`, bound('mine', metadata.uid), undefined],
      ['POST', `${core}/serviceaccounts/default/token`, { spec: { audiences: [] } }, /node requested token not bound to a pod/],
      ['POST', `${core}/configmaps`, { metadata: { name: 'c' } }, /can only read resources of this type/],
    ]
    for (const [method, path, body, want] of rows) {
      const answer = await ask(method, path, body, node)
      if (want) t.match(answer, { code: 403, message: want }, `${method} ${path}`)
      else t.not(answer.kind, 'Status', `${method} ${path}: ${answer.message}`)
    }
  },
  withoutAccounts,
)

inCluster(
  'nobody grants more than they have',
  async (t, ask, api) => {
    const rbac = '/apis/rbac.authorization.k8s.io/v1'
    const apiGroup = 'rbac.authorization.k8s.io'
    const own = [
      { verbs: ['create', 'update', 'patch'], apiGroups: [apiGroup], resources: ['roles', 'rolebindings', 'clusterroles'] },
      { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] },
      { verbs: ['bind'], apiGroups: [apiGroup], resources: ['clusterroles'], resourceNames: ['view'] },
    ]
    await ask('POST', `${rbac}/clusterroles`, { metadata: { name: 'granter' }, rules: own })
    const subjects = [{ apiGroup, kind: 'User', name: 'bob' }]
    const to = (name: string) => ({ roleRef: { apiGroup, kind: 'ClusterRole', name }, subjects })
    await ask('POST', `${rbac}/clusterrolebindings`, { metadata: { name: 'granter' }, ...to('granter') })
    const bob = await api.pki.client('bob')
    const role = (name: string, verbs: readonly string[]) => ({
      metadata: { name },
      rules: [{ verbs, apiGroups: [''], resources: ['pods'] }],
    })
    const inDefault = `${rbac}/namespaces/default`
    const rows: readonly (readonly [string, object, RegExp | undefined])[] = [
      [`${inDefault}/roles`, role('a', ['get']), undefined],
      [
        `${inDefault}/roles`,
        role('b', ['get', 'delete', 'patch']),
        /not currently held:\n\{APIGroups:\[""\], Resources:\["pods"\], Verbs:\["delete", "patch"\]\}$/,
      ],
      [`${inDefault}/rolebindings`, { metadata: { name: 'a' }, ...to('granter') }, undefined],
      [
        `${inDefault}/rolebindings`,
        { metadata: { name: 'b' }, ...to('cluster-admin') },
        /^rolebindings.rbac.authorization.k8s.io "b" is forbidden: user "bob" \(groups=\["system:authenticated"\]\)/,
      ],
      [`${inDefault}/rolebindings`, { metadata: { name: 'c' }, ...to('view') }, undefined],
      [
        `${rbac}/clusterroles`,
        { metadata: { name: 'd' }, aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] } },
        /not currently held/,
      ],
    ]
    for (const [path, body, want] of rows) {
      const answer = await ask('POST', path, body, bob)
      if (want) t.match(answer, { code: 403, message: want }, JSON.stringify(body))
      else t.not(answer.kind, 'Status', `${JSON.stringify(body)}: ${answer.message}`)
    }
  },
  withoutAccounts,
)
