import fc from 'fast-check'
import t from 'tap'
import { autoscalingV2HorizontalPodAutoscalers } from '../../../../src/api/generated/resources.js'
import type { AutoscalingV2HorizontalPodAutoscaler } from '../../../../src/api/generated/types.js'
import { autoscalerV1Form } from '../../../../src/api/strategies/autoscaling.js'
import { apiRequest } from '../../../support/api-request.js'
import { withApiServer } from '../../../support/api-server.js'

const newer = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers'
const older = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers'
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }
const selector = { matchLabels: { a: 'b' } }
const metrics = [
  { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
  { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '100Mi' } } },
  {
    type: 'ContainerResource',
    containerResource: { name: 'cpu', container: 'main', target: { type: 'Utilization', averageUtilization: 60 } },
  },
  { type: 'Pods', pods: { metric: { name: 'requests', selector }, target: { type: 'AverageValue', averageValue: '10' } } },
  { type: 'Object', object: { describedObject: scaleTargetRef, metric: { name: 'queue' }, target: { type: 'Value', value: '5' } } },
  { type: 'External', external: { metric: { name: 'jobs', selector }, target: { type: 'AverageValue', averageValue: '2' } } },
]
const behavior = {
  scaleDown: { stabilizationWindowSeconds: 60, selectPolicy: 'Max', policies: [{ type: 'Pods', value: 1, periodSeconds: 15 }] },
}

t.test('what the first version cannot say survives a write in it', t =>
  withApiServer(t, async api => {
    const spec = { minReplicas: 1, maxReplicas: 4, scaleTargetRef, metrics, behavior }
    const made = await apiRequest(api, newer, { method: 'POST', body: { metadata: { name: 'web', annotations: { mine: 'yes' } }, spec } })
    t.equal(made.status, 201)
    const old = (await apiRequest(api, `${older}/web`)).json
    t.match(old, {
      apiVersion: 'autoscaling/v1',
      metadata: { annotations: { mine: 'yes', 'autoscaling.alpha.kubernetes.io/behavior': /stabilizationWindowSeconds/ } },
      spec: { targetCPUUtilizationPercentage: 50, maxReplicas: 4 },
    })
    t.strictSame(JSON.parse(old.metadata.annotations['autoscaling.alpha.kubernetes.io/metrics'])[0], {
      type: 'Resource',
      resource: { name: 'memory', targetAverageValue: '100Mi' },
    })
    const body = { ...old, spec: { ...old.spec, maxReplicas: 9, targetCPUUtilizationPercentage: 70 } }
    t.equal((await apiRequest(api, `${older}/web`, { method: 'PUT', body })).status, 200)
    const after = (await apiRequest(api, `${newer}/web`)).json
    t.strictSame(after.metadata.annotations, { mine: 'yes' })
    t.match(after.spec, { maxReplicas: 9, behavior: made.json.spec.behavior })
    t.equal(after.spec.metrics[0].resource.target.averageUtilization, 70)
    t.strictSame(after.spec.metrics.slice(1), metrics.slice(1))

    const memory = { minReplicas: 1, maxReplicas: 2, scaleTargetRef, metrics: metrics.slice(1, 2) }
    await apiRequest(api, newer, { method: 'POST', body: { metadata: { name: 'memory' }, spec: memory } })
    const { json } = await apiRequest(api, `${older}/memory`)
    await apiRequest(api, `${older}/memory`, { method: 'PUT', body: json })
    t.strictSame((await apiRequest(api, `${newer}/memory`)).json.spec.metrics, metrics.slice(1, 2), 'no aim at the CPU comes in')
  }),
)

t.test('any metrics go there and back', async t => {
  const kinds = fc.subarray(metrics.slice(1))
  fc.assert(
    fc.property(kinds, fc.boolean(), fc.option(fc.constant(behavior)), (some, withCpu, rules) => {
      const spec = {
        minReplicas: 1,
        maxReplicas: 4,
        scaleTargetRef,
        metrics: [...(withCpu ? metrics.slice(0, 1) : []), ...some],
        ...(rules && { behavior: rules }),
      }
      const object = { metadata: { name: 'web' }, spec } as AutoscalingV2HorizontalPodAutoscaler
      const back = autoscalerV1Form.toStored(autoscalerV1Form.fromStored(object))
      t.strictSame((back as typeof object).spec, spec)
      t.strictSame(back.metadata, object.metadata)
    }),
    { numRuns: 30 },
  )
  t.equal(autoscalerV1Form.resource, autoscalingV2HorizontalPodAutoscalers)
})

t.test('annotations that nobody can read are left out', async t => {
  const annotations = { 'autoscaling.alpha.kubernetes.io/metrics': '{', 'autoscaling.alpha.kubernetes.io/behavior': '[]' }
  const stored = autoscalerV1Form.toStored({ metadata: { name: 'web', annotations }, spec: { maxReplicas: 1, scaleTargetRef } })
  t.match(stored, { metadata: { name: 'web' }, spec: { metrics: [] } })
  t.equal(stored.metadata?.annotations, undefined)
})
