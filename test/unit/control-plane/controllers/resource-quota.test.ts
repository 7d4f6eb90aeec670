import t from 'tap'

import { configmaps, pods, resourcequotas, services } from '../../../../src/api/generated/resources.js'
import { withControlPlane } from '../../../support/control-plane.js'

const namespace = 'default'
const pod = (name: string, spec: object = {}, resources: object = {}) => ({
  metadata: { name, namespace },
  spec: { containers: [{ name: 'main', image: 'i', resources }], ...spec },
})

t.test('quotas refuse what is beyond them, and are given back', t =>
  withControlPlane(t, {}, async ({ client, until }) => {
    const quota = (name: string, spec: object) => client.create(resourcequotas, { metadata: { name, namespace }, spec })
    await quota('compute', { hard: { pods: '2', 'requests.cpu': '1', 'limits.memory': '1Gi' } })
    await quota('urgent', {
      hard: { pods: '0' },
      scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['system-node-critical'] }] },
    })
    await quota('objects', { hard: { 'count/configmaps': '2', 'services.nodeports': '1', 'count/deployments.apps': '1' } })
    const sized = (cpu: string) => ({ requests: { cpu }, limits: { cpu: '1', memory: '256Mi' } })
    const used = (name: string, want: object) =>
      until({ resource: resourcequotas, namespace }, `${name} uses ${JSON.stringify(want)}`, all => {
        const found = all.find(({ metadata }) => metadata?.name === name)?.status?.used ?? {}
        return Object.entries(want).every(([key, value]) => found[key] === value)
      })
    await used('compute', { pods: '0' })

    await t.rejects(
      client.create(pods, pod('a')),
      /forbidden: failed quota: compute: must specify limits.memory for: main; requests.cpu for: main/,
    )
    await client.create(pods, pod('a', {}, sized('600m')))
    await used('compute', { pods: '1', 'requests.cpu': '600m', 'limits.memory': '256Mi' })
    await t.rejects(
      client.create(pods, pod('b', {}, sized('500m'))),
      /pods "b" is forbidden: exceeded quota: compute, requested: requests.cpu=500m, used: requests.cpu=600m, limited: requests.cpu=1/,
    )
    await t.rejects(
      client.create(pods, pod('b', { priorityClassName: 'system-node-critical' }, sized('10m'))),
      /exceeded quota: urgent, requested: pods=1, used: pods=0, limited: pods=0/,
    )
    // All at once: nobody takes what another has taken.
    const many = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => client.create(pods, pod(`m${i}`, {}, sized('10m')))))
    t.equal(many.filter(({ status }) => status === 'fulfilled').length, 1, 'one of eight gets the last place')
    await client.delete(pods, { namespace, name: 'a' })
    await used('compute', { pods: '1', 'requests.cpu': '10m' })
    await client.create(pods, pod('again', {}, sized('600m')))

    const map = (name: string) => client.create(configmaps, { metadata: { name, namespace }, data: {} })
    await until({ resource: configmaps, namespace }, 'the ConfigMap that every namespace has', all => all.length === 1)
    await used('objects', { 'count/configmaps': '1' })
    await map('one')
    await t.rejects(
      map('two'),
      /exceeded quota: objects, requested: count\/configmaps=1, used: count\/configmaps=2, limited: count\/configmaps=2/,
    )
    const service = (name: string) =>
      client.create(services, { metadata: { name, namespace }, spec: { type: 'NodePort', selector: { a: 'b' }, ports: [{ port: 80 }] } })
    await service('s')
    await t.rejects(service('t'), /exceeded quota: objects, requested: services.nodeports=1/)
    await used('objects', { 'services.nodeports': '1', 'count/deployments.apps': '0' })
  }),
)
