import t from 'tap'
import { apiPathOf } from '../../../../src/api/api-resource.js'
import { resourceTable } from '../../../../src/api/resource-table.js'
import { apiRequest } from '../../../support/api-request.js'
import { withApiServer } from '../../../support/api-server.js'
import { bindKubectl, findKubectls } from '../../../support/kubectl.js'

t.test('every resource answers by its verbs', t =>
  withApiServer(t, async api => {
    for (const row of resourceTable) {
      const wanted = row.verbs.includes('list') ? 200 : 405
      t.equal((await apiRequest(api, apiPathOf(row, { namespace: 'default' }))).status, wanted, `list ${row.group}/${row.resource}`)
    }
  }),
)

const all = await findKubectls()
t.not(all.length, 0, 'there is a kubectl on the PATH')
for (const kubectl of [all[0], all.at(-1)].filter((one, i, both) => one && both.indexOf(one) === i)) {
  if (!kubectl) continue
  t.test(`kubectl ${kubectl.version}`, t =>
    withApiServer(t, async api => {
      const bound = bindKubectl(kubectl, api.kubeconfig)
      const minor = Number(kubectl.version.split('.')[1])
      try {
        for (const args of [
          'create job j --image=i:1',
          'create role r --verb=get --resource=pods',
          'create clusterrole system:x --verb=get --resource=pods',
          'create rolebinding rb --role=r --user=u',
          'create quota q --hard=pods=1',
          'create ingress i --rule=h/*=s:80',
          'create priorityclass pc --value=1',
          'get all,ing,roles,quota -A',
          'auth can-i create pods',
          'auth can-i --list',
          // What older ones ask for is of versions that have gone.
          ...(minor >= 21 ? ['create cronjob c --image=i:1 --schedule=@daily', 'create pdb p --selector=a=b --min-available=1'] : []),
          ...(minor >= 28 ? ['auth whoami'] : []),
          'api-resources',
        ]) {
          const { code, stderr } = await bound.run(args.split(' '))
          t.equal(code, 0, `kubectl ${args}: ${stderr}`)
        }
      } finally {
        bound.dispose()
      }
    }),
  )
}

t.test('componentstatuses are found out when somebody asks', t =>
  withApiServer(
    t,
    async api => {
      const { json } = await apiRequest(api, '/api/v1/componentstatuses')
      t.match(json, {
        kind: 'ComponentStatusList',
        items: [
          { metadata: { name: 'scheduler' }, conditions: [{ type: 'Healthy', status: 'False', error: 'it sleeps' }] },
          { metadata: { name: 'etcd-0' }, conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }] },
        ],
      })
      t.equal((await apiRequest(api, '/api/v1/componentstatuses/none')).status, 404)
    },
    { components: { scheduler: () => 'it sleeps' } },
  ),
)
