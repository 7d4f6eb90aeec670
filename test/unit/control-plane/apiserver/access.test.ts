import t from 'tap'

import { apiRequest } from '../../../support/api-request.js'
import { type TestApiServer, withApiServer } from '../../../support/api-server.js'
import { bindKubectl, findKubectls } from '../../../support/kubectl.js'
import type { TestIdentity } from '../../../support/test-pki.js'

const pods = '/api/v1/namespaces/default/pods'
const rbac = '/apis/rbac.authorization.k8s.io/v1'
const apiGroup = 'rbac.authorization.k8s.io'

async function grant(api: TestApiServer, name: string, rules: readonly object[], user: string): Promise<void> {
  await apiRequest(api, `${rbac}/clusterroles`, { method: 'POST', body: { metadata: { name }, rules } })
  const roleRef = { apiGroup, kind: 'ClusterRole', name }
  const binding = { metadata: { name }, roleRef, subjects: [{ apiGroup, kind: 'User', name: user }] }
  await apiRequest(api, `${rbac}/clusterrolebindings`, { method: 'POST', body: binding })
}

t.test('who may not do a thing is told in upstream words', t =>
  withApiServer(t, async api => {
    const bob = await api.pki.client('bob', ['devs'])
    const refused = async (path: string, want: string, method = 'GET', identity: TestIdentity | null = bob) => {
      const { status, json } = await apiRequest(api, path, { method, identity })
      t.match({ status, json }, { status: 403, json: { kind: 'Status', reason: 'Forbidden', message: want } }, `${method} ${path}`)
    }
    const who = 'User "bob" cannot'
    await refused(pods, `pods is forbidden: ${who} list resource "pods" in API group "" in the namespace "default"`)
    await refused(`${pods}/web/log`, `pods "web" is forbidden: ${who} get resource "pods/log" in API group "" in the namespace "default"`)
    await refused('/api/v1/nodes?watch=1', `nodes is forbidden: ${who} watch resource "nodes" in API group "" at the cluster scope`)
    await refused(
      '/apis/apps/v1/deployments',
      `deployments.apps is forbidden: ${who} list resource "deployments" in API group "apps" at the cluster scope`,
    )
    await refused(
      '/apis/none/v1/things',
      `things.none is forbidden: ${who} list resource "things" in API group "none" at the cluster scope`,
    )
    await refused('/metrics', `forbidden: ${who} get path "/metrics"`)
    for (const path of ['/version', '/api', '/apis', '/openapi/v2', '/livez']) {
      t.equal((await apiRequest(api, path, { identity: bob })).status, 200, `discovery is for everybody: ${path}`)
    }
    for (const [path, status] of [
      ['/healthz', 200],
      ['/readyz', 200],
      ['/version', 200],
      ['/api', 401],
      [pods, 401],
      ['/nowhere', 401],
    ] as const) {
      t.equal((await apiRequest(api, path, { identity: null })).status, status, `without a name: ${path}`)
    }
    const headers = { authorization: 'Bearer nonsense' }
    t.equal((await apiRequest(api, '/healthz', { identity: null, headers })).status, 401, 'a token that nobody knows is refused everywhere')
  }),
)

t.test('a token of the token file is its user', t =>
  withApiServer(
    t,
    async api => {
      const ask = (token: string) => {
        const body = {}
        const headers = { authorization: `Bearer ${token}` }
        return apiRequest(api, '/apis/authentication.k8s.io/v1/selfsubjectreviews', { method: 'POST', body, headers, identity: null })
      }
      const { status, json } = await ask('s3cret')
      t.equal(status, 201)
      t.strictSame(json.status.userInfo, { username: 'ci', uid: 'u-1', groups: ['devs', 'ops', 'system:authenticated'] })
      t.equal((await ask('other')).status, 401)
    },
    { tokenFile: '# who\ns3cret,ci,u-1,"devs, ops"\n' },
  ),
)

t.test('impersonation needs a right for each part', t =>
  withApiServer(t, async api => {
    const rules = [
      { verbs: ['impersonate'], apiGroups: [''], resources: ['users', 'groups'], resourceNames: ['ann', 'devs'] },
      { verbs: ['impersonate'], apiGroups: ['authentication.k8s.io'], resources: ['userextras/scopes'], resourceNames: ['view'] },
    ]
    await grant(api, 'impersonator', rules, 'bob')
    const bob = await api.pki.client('bob')
    const ask = (headers: Record<string, string>) =>
      apiRequest(api, '/apis/authentication.k8s.io/v1/selfsubjectreviews', { method: 'POST', body: {}, headers, identity: bob })
    const whole = await ask({ 'Impersonate-User': 'ann', 'Impersonate-Group': 'devs', 'Impersonate-Extra-Scopes': 'view' })
    t.strictSame(whole.json.status.userInfo, { username: 'ann', groups: ['devs', 'system:authenticated'], extra: { scopes: ['view'] } })
    const forbidden: readonly (readonly [Record<string, string>, string])[] = [
      [
        { 'Impersonate-User': 'eve' },
        'users "eve" is forbidden: User "bob" cannot impersonate resource "users" in API group "" at the cluster scope',
      ],
      [
        { 'Impersonate-User': 'ann', 'Impersonate-Group': 'system:masters' },
        'groups "system:masters" is forbidden: User "bob" cannot impersonate',
      ],
      [
        { 'Impersonate-User': 'ann', 'Impersonate-Extra-Scopes': 'edit' },
        'resource "userextras/scopes" in API group "authentication.k8s.io"',
      ],
      [{ 'Impersonate-User': 'system:serviceaccount:a:b' }, 'serviceaccounts "b" is forbidden'],
      [{ 'Impersonate-User': 'ann', 'Impersonate-Uid': 'x' }, 'uids.authentication.k8s.io "x" is forbidden'],
    ]
    for (const [headers, want] of forbidden) t.match((await ask(headers)).json, { code: 403, message: want })
    t.equal((await ask({ 'Impersonate-Group': 'devs' })).status, 400, 'a group of nobody')
    const answer = await apiRequest(api, pods, { headers: { 'Impersonate-User': 'eve' } })
    t.match(answer.json.message, 'User "eve" cannot list resource "pods"', 'the administrator as somebody else may what that one may')
  }),
)

t.test('tokens of ServiceAccounts', t =>
  withApiServer(t, async api => {
    const accounts = '/api/v1/namespaces/default/serviceaccounts'
    await apiRequest(api, accounts, { method: 'POST', body: { metadata: { name: 'app' } } })
    const pod = (
      await apiRequest(api, pods, {
        method: 'POST',
        body: { metadata: { name: 'one' }, spec: { serviceAccountName: 'app', containers: [{ name: 'c', image: 'i' }] } },
      })
    ).json
    const request = (spec: object) => apiRequest(api, `${accounts}/app/token`, { method: 'POST', body: { spec } })
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: 'one', uid: pod.metadata.uid }
    const review = async (token: string, audiences: readonly string[] = []) =>
      (await apiRequest(api, '/apis/authentication.k8s.io/v1/tokenreviews', { method: 'POST', body: { spec: { token, audiences } } })).json
        .status

    const bound = (await request({ audiences: [], boundObjectRef, expirationSeconds: 1200 })).json.status
    t.match(await review(bound.token), {
      authenticated: true,
      user: {
        username: 'system:serviceaccount:default:app',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
        extra: { 'authentication.kubernetes.io/pod-name': ['one'] },
      },
    })
    t.ok(Math.abs(Date.parse(bound.expirationTimestamp) - Date.now() - 1_200_000) < 60_000)
    const vault = (await request({ audiences: ['vault'] })).json.status.token
    t.match(await review(vault), { authenticated: false, error: String }, 'a token for others is none for this server')
    t.match(await review(vault, ['vault', 'more']), { authenticated: true, audiences: ['vault'] })
    const asVault = { identity: null, headers: { authorization: `Bearer ${vault}` } }
    t.equal((await apiRequest(api, '/api', asVault)).status, 401)
    t.match(await review(`${bound.token}x`), { authenticated: false }, 'a broken signature')

    const wrong: readonly (readonly [object, number, RegExp])[] = [
      [{ expirationSeconds: 10 }, 422, /may not specify a duration less than 10 minutes/],
      [{ boundObjectRef: { ...boundObjectRef, uid: 'other' } }, 409, /does not match the UID in record/],
      [{ boundObjectRef: { ...boundObjectRef, name: 'none' } }, 404, /pods "none" not found/],
      [{ boundObjectRef: { apiVersion: 'v1', kind: 'Service', name: 's' } }, 400, /cannot bind token to object of type v1, Kind=Service/],
    ]
    for (const [spec, status, message] of wrong) t.match((await request({ audiences: [], ...spec })).json, { code: status, message })

    const { json: issuer } = await apiRequest(api, '/.well-known/openid-configuration')
    t.match(issuer, { issuer: /^https:/, jwks_uri: /\/openid\/v1\/jwks$/, id_token_signing_alg_values_supported: ['ES256'] })
    const { json: jwks } = await apiRequest(api, '/openid/v1/jwks', { identity: null, headers: { authorization: `Bearer ${bound.token}` } })
    const header = JSON.parse(Buffer.from(bound.token.split('.')[0], 'base64url').toString())
    t.match(jwks.keys, [{ kid: header.kid, kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' }])
    t.notOk('d' in jwks.keys[0], 'the private half stays here')

    await apiRequest(api, `${pods}/one`, { method: 'DELETE' })
    t.match(await review(bound.token), { authenticated: false }, 'a token ends with what it is bound to')
  }),
)

t.test('kubectl auth', async t => {
  const kubectls = await findKubectls()
  const newest = kubectls.at(-1)
  if (!newest) throw new Error('no kubectl on this machine')
  await withApiServer(t, async api => {
    await grant(api, 'pod-reader', [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] }], 'bob')
    for (const [name, groups] of [
      ['admin', undefined],
      ['bob', ['devs']],
    ] as const) {
      const kubectl = bindKubectl(newest, groups ? await api.kubeconfigFor(name, groups) : api.kubeconfig)
      const run = async (args: string, input?: string) => kubectl.run(args.split(' '), input)
      if (name === 'admin') {
        t.match(await run('auth can-i delete nodes'), { code: 0, stdout: 'yes' })
        t.match(await run('auth can-i list pods --as bob'), { code: 0, stdout: 'yes' })
        t.match(await run('auth can-i list secrets --as bob'), { code: 1, stdout: 'no' })
        t.match(await run('auth can-i get pods --as eve --as-group system:masters'), { code: 0, stdout: 'yes' })
        t.match((await run('auth can-i --list')).stdout, /\*\.\*\s+\[\]\s+\[\]\s+\[\*\]/)
        const role = { apiVersion: `${apiGroup}/v1`, kind: 'Role', metadata: { name: 'r', namespace: 'default' }, rules: [] as object[] }
        t.match(await run('auth reconcile -f -', JSON.stringify(role)), { code: 0, stdout: /reconciled/ })
        const rules = [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }]
        t.match(await run('auth reconcile -f -', JSON.stringify({ ...role, rules })), { code: 0 })
        t.strictSame((await apiRequest(api, `${rbac}/namespaces/default/roles/r`)).json.rules, rules)
      } else {
        t.match((await run('auth whoami -o json')).stdout, /"username": "bob"/)
        t.match(await run('auth can-i list pods'), { code: 0, stdout: 'yes' })
        t.match(await run('auth can-i create deployments.apps'), { code: 1, stdout: 'no' })
        t.match((await run('auth can-i --list')).stdout, /pods\s+\[\]\s+\[\]\s+\[get list\]/)
        t.match((await run('get secrets')).stderr, 'Error from server (Forbidden): secrets is forbidden: User "bob" cannot list')
      }
      kubectl.dispose()
    }
  })
})

t.test('the roles of every cluster come back, and what an administrator added stays', t =>
  withApiServer(t, async api => {
    const role = `${rbac}/clusterroles/system:node-proxier`
    const before = (await apiRequest(api, role)).json
    const added = { verbs: ['get'], apiGroups: ['x'], resources: ['y'] }
    const patch = (path: string, body: object) =>
      apiRequest(api, path, { method: 'PATCH', body, headers: { 'content-type': 'application/merge-patch+json' } })
    await patch(role, { rules: [added] })
    await apiRequest(api, `${rbac}/clusterrolebindings/system:basic-user`, { method: 'DELETE' })
    const kept = `${rbac}/clusterroles/system:monitoring`
    await patch(kept, { rules: [], metadata: { annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } } })
    await api.restart()
    t.strictSame((await apiRequest(api, role)).json.rules, [added, ...before.rules])
    t.equal((await apiRequest(api, `${rbac}/clusterrolebindings/system:basic-user`)).status, 200)
    t.strictSame((await apiRequest(api, kept)).json.rules, [])
  }),
)
