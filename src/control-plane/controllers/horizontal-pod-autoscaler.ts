import { apiPathOf } from '../../api/api-resource.js'
import { withCondition } from '../../api/conditions.js'
import { autoscalingV2HorizontalPodAutoscalers } from '../../api/generated/resources.js'
import type {
  AutoscalingV2HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  MetricSpec,
  Scale,
} from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import { timeText } from '../../api/time-text.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { systemClock } from '../../base/time/clock.js'
import { createEventRecorder } from '../../client/event-recorder.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import type { Collections } from './collections.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

interface Parts extends ControllerParts {
  readonly autoscalers: Informer<AutoscalingV2HorizontalPodAutoscaler>
  readonly collections: Collections
}

type Status = NonNullable<AutoscalingV2HorizontalPodAutoscaler['status']>

/** Upstream's period (kube-controller-manager --horizontal-pod-autoscaler-sync-period). */
const lookAgainMs = 15_000

/**
 * Keeps what an autoscaler aims at between its bounds, and says in its conditions why it does no more: nothing in this cluster serves
 * metrics. Wording and reasons are upstream's (pkg/controller/podautoscaler).
 */
export function horizontalPodAutoscaler(parts: Parts): Controller {
  const { client, autoscalers, collections, clock = systemClock } = parts
  const recorder = createEventRecorder(client, { component: 'horizontal-pod-autoscaler', clock })

  function scalePath({ metadata, spec }: AutoscalingV2HorizontalPodAutoscaler): string {
    const { apiVersion = 'v1', kind = '', name = '' } = spec?.scaleTargetRef ?? {}
    const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : ''
    const found = collections.all().find(({ resource }) => resource.kind === kind && resource.group === group)
    if (!found) throw new Error(`no matches for kind "${kind}" in group "${group}"`)
    return `${apiPathOf(found.resource, { namespace: metadata?.namespace, name })}/scale`
  }

  /** What there is to be said of one autoscaler now; sets the target's scale where it is beyond the bounds. */
  async function look(autoscaler: AutoscalingV2HorizontalPodAutoscaler, signal: AbortSignal): Promise<Partial<Status>> {
    const { minReplicas = 1, maxReplicas = 0, metrics = [] } = autoscaler.spec ?? {}
    let conditions = autoscaler.status?.conditions
    const say = (type: string, isTrue: boolean, reason: string, message: string) => {
      const next: HorizontalPodAutoscalerCondition = { type, status: isTrue ? 'True' : 'False', reason, message }
      conditions = withCondition(conditions, next, clock.now())
    }
    const warn = (reason: string, message: string) => recorder.record(autoscaler, { type: 'Warning', reason, message })
    let path: string
    let scale: Scale
    try {
      path = scalePath(autoscaler)
      scale = JSON.parse(await client.raw('GET', path, undefined, signal)) as Scale
    } catch (error) {
      if (isPodwireError(error, 'API_UNREACHABLE')) throw error
      const why = error instanceof Error ? error.message : String(error)
      say('AbleToScale', false, 'FailedGetScale', `the HPA controller was unable to get the target's current scale: ${why}`)
      warn('FailedGetScale', why)
      return { ...(conditions && { conditions }) }
    }
    say('AbleToScale', true, 'SucceededGetScale', "the HPA controller was able to get the target's current scale")
    const current = scale.spec?.replicas ?? 0
    if (current === 0) {
      say('ScalingActive', false, 'ScalingDisabled', 'scaling is disabled since the replica count of the target is zero')
      return { currentReplicas: 0, desiredReplicas: 0, ...(conditions && { conditions }) }
    }
    const wanted = Math.min(Math.max(current, minReplicas), maxReplicas)
    if (wanted === current) {
      const { reason, problem } = missingMetric(metrics[0], autoscaler.metadata?.namespace ?? '')
      say('ScalingActive', false, reason, `the HPA was unable to compute the replica count: ${problem}`)
      warn(reason, problem)
      const count = `invalid metrics (${metrics.length} invalid out of ${metrics.length})`
      warn('FailedComputeMetricsReplicas', `${count}, first error is: ${problem}`)
      return { currentReplicas: scale.status?.replicas ?? current, ...(conditions && { conditions }) }
    }
    const why = wanted < current ? 'above Spec.MaxReplicas' : 'below Spec.MinReplicas'
    await client.raw('PUT', path, { ...scale, spec: { ...scale.spec, replicas: wanted } }, signal)
    const message = `New size: ${wanted}; reason: Current number of replicas ${why}`
    recorder.record(autoscaler, { type: 'Normal', reason: 'SuccessfulRescale', message })
    say('AbleToScale', true, 'SucceededRescale', `the HPA controller was able to update the target scale to ${wanted}`)
    return {
      currentReplicas: scale.status?.replicas ?? current,
      desiredReplicas: wanted,
      lastScaleTime: timeText(clock.now()),
      ...(conditions && { conditions }),
    }
  }

  return keyedController({
    name: 'horizontal-pod-autoscaler',
    parts,
    reads: [autoscalers],
    watch(queue) {
      onObjectChange(autoscalers, (before, after) => {
        // Its own writes of the status are no news.
        if (after && before?.metadata?.generation !== after.metadata?.generation) queue.add(keyOfObject(after))
      })
    },
    async reconcile(key, queue, signal) {
      const autoscaler = autoscalers.get(key)
      if (!autoscaler || autoscaler.metadata?.deletionTimestamp !== undefined) return
      queue.addAfter(key, lookAgainMs)
      const before = autoscaler.status ?? { desiredReplicas: 0 }
      const status = { ...before, observedGeneration: autoscaler.metadata?.generation ?? 0, ...(await look(autoscaler, signal)) }
      if (jsonEqual(status, before)) return
      await client.updateStatus(autoscalingV2HorizontalPodAutoscalers, { ...autoscaler, status }, signal)
    },
  })
}

const notServed =
  'unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)'

/** Why a metric cannot be had where no metrics API is served. */
function missingMetric(metric: MetricSpec | undefined, namespace: string): { readonly reason: string; readonly problem: string } {
  const name = metric?.resource?.name ?? metric?.containerResource?.name ?? 'cpu'
  const custom = 'unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered'
  switch (metric?.type) {
    case 'Pods':
      return { reason: 'FailedGetPodsMetric', problem: `unable to get metric ${metric.pods?.metric.name}: ${custom}` }
    case 'Object': {
      const { describedObject: of, metric: { name: wanted = '' } = {} } = metric.object ?? {}
      return {
        reason: 'FailedGetObjectMetric',
        problem: `unable to get metric ${wanted}: ${of?.kind} on ${namespace} ${of?.name}/${custom}`,
      }
    }
    case 'External': {
      const external = 'unable to fetch metrics from external metrics API: no external metrics API (external.metrics.k8s.io) registered'
      const problem = `unable to get external metric ${namespace}/${metric.external?.metric.name}/${JSON.stringify(metric.external?.metric.selector ?? null)}: ${external}`
      return { reason: 'FailedGetExternalMetric', problem }
    }
    default: {
      const reason = metric?.type === 'ContainerResource' ? 'FailedGetContainerResourceMetric' : 'FailedGetResourceMetric'
      const { averageUtilization } = metric?.resource?.target ?? metric?.containerResource?.target ?? {}
      const what = averageUtilization === undefined ? `${name} resource metric value` : `${name} utilization`
      return { reason, problem: `failed to get ${what}: unable to get metrics for resource ${name}: ${notServed}` }
    }
  }
}
