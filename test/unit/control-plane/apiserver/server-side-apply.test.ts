import t from 'tap'

import { apiRequest } from '../../../support/api-request.js'
import { type TestApiServer, withApiServer } from '../../../support/api-server.js'
import { bindKubectl, findKubectls } from '../../../support/kubectl.js'

const web = '/apis/apps/v1/namespaces/default/deployments/web'
const deployment = (replicas?: number, image = 'i:1'): object => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    ...(replicas !== undefined && { replicas }),
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image }] } },
  },
})
const apply = (api: TestApiServer, path: string, body: object) =>
  apiRequest(api, path, { method: 'PATCH', body, headers: { 'content-type': 'application/apply-patch+yaml' } })
const entries = ({ json }: { json: { metadata: { managedFields?: { manager: string; subresource?: string }[] } } }): string[] =>
  (json.metadata.managedFields ?? []).map(({ manager, subresource }) => (subresource ? `${manager}/${subresource}` : manager))

t.test('server-side apply', t =>
  withApiServer(t, async api => {
    const created = await apply(api, `${web}?fieldManager=one`, deployment(1))
    t.equal(created.status, 201)
    const again = await apply(api, `${web}?fieldManager=one`, deployment(1))
    t.equal(again.json.metadata.resourceVersion, created.json.metadata.resourceVersion, 'what changes nothing makes no revision')

    const refused = await apply(api, `${web}?fieldManager=two`, deployment(2))
    t.match(refused, {
      status: 409,
      json: {
        reason: 'Conflict',
        message: 'Apply failed with 1 conflict: conflict with "one": .spec.replicas',
        details: { causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.spec.replicas' }] },
      },
    })
    const dry = await apply(api, `${web}?fieldManager=two&force=true&dryRun=All`, deployment(2))
    t.equal(dry.json.spec.replicas, 2)
    t.equal((await apiRequest(api, web)).json.spec.replicas, 1)
    t.equal((await apply(api, `${web}?fieldManager=two&force=true`, deployment(2))).json.spec.replicas, 2)

    const status = await apply(api, `${web}/status?fieldManager=controller`, { ...deployment(), status: { observedGeneration: 3 } })
    t.match(status.json, { status: { observedGeneration: 3 }, spec: { replicas: 2 } })
    t.strictSame(entries(status).sort(), ['controller/status', 'one', 'two'])
    const scale = { spec: { replicas: 5 } }
    await apiRequest(api, `${web}/scale`, {
      method: 'PATCH',
      body: scale,
      headers: { 'content-type': 'application/merge-patch+json', 'user-agent': 'scaler/1.0' },
    })
    t.match(await apply(api, `${web}?fieldManager=two`, deployment(2)), {
      status: 409,
      json: { message: 'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas' },
    })

    t.match(await apply(api, `${web}?fieldManager=two`, { ...deployment(2), nonsense: 1 }), { status: 400, json: { message: /nonsense/ } })
    t.equal((await apply(api, `${web}?fieldManager=two`, { spec: {} })).status, 400, 'apiVersion and kind are needed')
    const managed = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', managedFields: [{}] } }
    t.equal((await apply(api, `${web}?fieldManager=two`, managed)).status, 400)
    const reset = await apiRequest(api, web, {
      method: 'PATCH',
      body: { metadata: { managedFields: [{}] } },
      headers: { 'content-type': 'application/merge-patch+json' },
    })
    t.strictSame(entries(reset), [], 'an empty entry forgets all managers')
  }),
)

const all = await findKubectls()
t.not(all.length, 0, 'there is a kubectl on the PATH')
for (const kubectl of [all[0], all.at(-1)].filter((one, i, both) => one && both.indexOf(one) === i)) {
  if (!kubectl) continue
  t.test(`kubectl ${kubectl.version}`, t =>
    withApiServer(t, async api => {
      const bound = bindKubectl(kubectl, api.kubeconfig)
      const run = async (args: string, code: number, input?: object): Promise<string> => {
        const answer = await bound.run(args.split(' '), input && JSON.stringify(input))
        t.equal(answer.code, code, `kubectl ${args}: ${answer.stderr}`)
        return answer.stdout + answer.stderr
      }
      try {
        t.match(await run('apply --server-side -f -', 0, deployment(1)), 'deployment.apps/web serverside-applied')
        // Before 1.21 they are shown unasked.
        const isHiding = Number(kubectl.version.split('.')[1]) >= 21
        t.match(
          await run(`get deploy web -o yaml${isHiding ? ' --show-managed-fields' : ''}`, 0),
          /managedFields:\n[\s\S]*f:replicas: {}[\s\S]*operation: Apply/,
        )
        if (isHiding) t.notMatch(await run('get deploy web -o yaml', 0), 'managedFields')
        await run('scale deploy web --replicas=3', 0)
        t.match(
          await run('apply --server-side --field-manager=other -f -', 1, deployment(2)),
          /conflict with "kubectl[\d.]*" with subresource "scale" using apps\/v1: \.spec\.replicas/,
        )
        t.match(await run('diff --server-side --force-conflicts -f -', 1, deployment(2)), /-\s+replicas: 3\n\+\s+replicas: 2/)
        t.match(
          await run('apply --server-side --dry-run=server --force-conflicts -f -', 0, deployment(2)),
          'serverside-applied (server dry run)',
        )
        await run('apply --server-side --force-conflicts -f -', 0, deployment(2))
        t.equal(await run('get deploy web -o jsonpath={.spec.replicas}', 0), '2')
        t.match(await run('diff -f -', 1, deployment(2, 'i:2')), /\+\s+-? ?image: i:2/)
        await run('diff --server-side -f -', 0, deployment(2))

        await run('delete deploy web', 0)
        await run('apply -f -', 0, deployment(1))
        await run('apply --server-side -f -', 0, deployment(4))
        t.equal(await run('get deploy web -o jsonpath={.spec.replicas}', 0), '4', 'client-side apply hands its fields over')
      } finally {
        bound.dispose()
      }
    }),
  )
}
