import t from 'tap'

import { autoscalingV2HorizontalPodAutoscalers, deployments, events } from '../../../../src/api/generated/resources.js'
import type { AutoscalingV2HorizontalPodAutoscaler } from '../../../../src/api/generated/types.js'
import { deploymentOf, withControlPlane } from '../../../support/control-plane.js'

const autoscaler = (name: string, spec: object = {}): AutoscalingV2HorizontalPodAutoscaler => ({
  metadata: { name, namespace: 'default' },
  spec: { minReplicas: 1, maxReplicas: 4, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, ...spec },
})

t.test('a target is kept between its bounds; why no more is done stands in the conditions', t =>
  withControlPlane(t, {}, async ({ client, until }) => {
    for (const [name, replicas] of Object.entries({ few: 1, many: 9, right: 2, none: 0 })) {
      await client.create(deployments, deploymentOf(name, { replicas }))
    }
    const make = (object: AutoscalingV2HorizontalPodAutoscaler) => client.create(autoscalingV2HorizontalPodAutoscalers, object)
    await make(autoscaler('few', { minReplicas: 3 }))
    await make(autoscaler('many'))
    await make(autoscaler('right'))
    await make(autoscaler('none'))
    await make(autoscaler('absent'))
    await make(
      autoscaler('outside', {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'right' },
        metrics: [{ type: 'External', external: { metric: { name: 'jobs' }, target: { type: 'Value', value: '5' } } }],
      }),
    )
    const saying = async (name: string, type: string, status: string, reason: string) => {
      const one = { resource: autoscalingV2HorizontalPodAutoscalers, fieldSelector: `metadata.name=${name}` }
      const [found] = await until(one, `${name}: ${type}=${status}, ${reason}`, ([object]) =>
        Boolean(object?.status?.conditions?.some(each => each.type === type && each.status === status && each.reason === reason)),
      )
      return found?.status
    }
    t.match(await saying('few', 'AbleToScale', 'True', 'SucceededRescale'), {
      desiredReplicas: 3,
      currentReplicas: Number,
      lastScaleTime: /Z$/,
    })
    t.match(await saying('many', 'AbleToScale', 'True', 'SucceededRescale'), { desiredReplicas: 4, observedGeneration: 1 })
    const { conditions = [] } = (await saying('right', 'ScalingActive', 'False', 'FailedGetResourceMetric')) ?? {}
    t.match(
      conditions.find(({ type }) => type === 'ScalingActive')?.message,
      /^the HPA was unable to compute the replica count: failed to get cpu utilization: .* \(get pods\.metrics\.k8s\.io\)$/,
    )
    await saying('none', 'ScalingActive', 'False', 'ScalingDisabled')
    await saying('absent', 'AbleToScale', 'False', 'FailedGetScale')
    await saying('outside', 'ScalingActive', 'False', 'FailedGetExternalMetric')
    for (const [name, replicas] of Object.entries({ few: 3, many: 4, right: 2, none: 0 })) {
      t.equal((await client.get(deployments, { namespace: 'default', name })).spec?.replicas, replicas, name)
    }
    await until({ resource: events, namespace: 'default' }, 'an event of the rescale', found =>
      found.some(({ message }) => message === 'New size: 4; reason: Current number of replicas above Spec.MaxReplicas'),
    )
  }),
)
