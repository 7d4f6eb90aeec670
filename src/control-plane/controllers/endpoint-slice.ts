import { endpointslices } from '../../api/generated/resources.js'
import type { EndpointSlice, Node, Pod, Service } from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import { isPodReady } from '../../api/pod-state.js'
import { matchesLabels, requirementsOf } from '../../api/selector.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { systemClock } from '../../base/time/clock.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { managedBy, managedByLabel, planSlices, serviceNameLabel } from './endpoint-slice-plan.js'
import { createExpectations, expectationTimeoutMs, hasReached } from './expectations.js'
import { onObjectChange } from './object-changes.js'

interface Parts extends ControllerParts {
  readonly services: Informer<Service>
  readonly pods: Informer<Pod>
  readonly nodes: Informer<Node>
  readonly endpointSlices: Informer<EndpointSlice>
}

/** Lists the Pods behind each Service with a selector, in EndpointSlices. */
export function endpointSliceController(parts: Parts): Controller {
  const { client, services, pods, nodes, endpointSlices, clock = systemClock } = parts
  const expectations = createExpectations(endpointSlices, clock)

  const podsOf = (service: Service): readonly Pod[] => {
    const requirements = requirementsOf({ matchLabels: service.spec?.selector ?? {} })
    return pods
      .list()
      .filter(({ metadata }) => metadata?.namespace === service.metadata?.namespace && matchesLabels(requirements, metadata?.labels))
  }

  return keyedController({
    name: 'endpoint-slice',
    parts,
    reads: [services, pods, nodes, endpointSlices],
    watch(queue) {
      onObjectChange(services, (before, after) => queue.add(keyOfObject((after ?? before)!)))
      onObjectChange(pods, (before, after) => {
        if (before && after && !changesEndpoints(before, after)) return
        for (const service of services.list()) {
          if (!hasSelector(service) || service.metadata?.namespace !== (after ?? before)?.metadata?.namespace) continue
          const requirements = requirementsOf({ matchLabels: service.spec?.selector ?? {} })
          const isMatch = (pod: Pod | undefined) => pod !== undefined && matchesLabels(requirements, pod.metadata?.labels)
          if (isMatch(before) || isMatch(after)) queue.add(keyOfObject(service))
        }
      })
      onObjectChange(nodes, (before, after) => {
        if (before && after && jsonEqual(before.metadata?.labels, after.metadata?.labels)) return
        const name = (after ?? before)?.metadata?.name
        const touched = pods.list().filter(({ spec }) => spec?.nodeName === name)
        if (touched.length === 0) return
        const namespaces = new Set(touched.map(({ metadata }) => metadata?.namespace))
        for (const service of services.list()) if (namespaces.has(service.metadata?.namespace)) queue.add(keyOfObject(service))
      })
      onObjectChange(endpointSlices, (before, after) => {
        const { namespace, labels } = (after ?? before)?.metadata ?? {}
        if (labels?.[managedByLabel] === managedBy) queue.add(`${namespace}/${labels[serviceNameLabel]}`)
      })
    },
    async reconcile(key, queue, signal) {
      const service = services.get(key)
      const [namespace, name] = key.split('/')
      if (!expectations.isMet(key)) {
        queue.addAfter(key, expectationTimeoutMs)
        return
      }
      const existing = endpointSlices.list().filter(({ metadata }) => {
        const labels = metadata?.labels
        return metadata?.namespace === namespace && labels?.[serviceNameLabel] === name && labels?.[managedByLabel] === managedBy
      })
      if (service && service.metadata?.deletionTimestamp !== undefined) return
      if (service && !hasSelector(service) && service.spec?.type !== 'ExternalName') return // Its endpoints are written by others.
      const plan =
        service && hasSelector(service)
          ? planSlices(service, podsOf(service), nodes.get, existing)
          : { create: [], update: [], remove: existing }

      const written = await Promise.allSettled([
        ...plan.create.map(async slice => {
          const sliceKey = keyOfObject(slice)
          expectations.expect(key, sliceKey, () => true)
          try {
            await client.create(endpointslices, slice, signal)
          } catch (error) {
            expectations.cancel(key, sliceKey)
            throw error
          }
        }),
        ...plan.update.map(async slice => {
          const stored = await client.update(endpointslices, slice, signal)
          const isSeen = (object: EndpointSlice | undefined) => object === undefined || hasReached(object, stored)
          if (!isSeen(endpointSlices.get(keyOfObject(slice)))) expectations.expect(key, keyOfObject(slice), isSeen)
        }),
        ...plan.remove.map(async ({ metadata: { uid = '', name = '' } = {} }) => {
          try {
            await client.delete(endpointslices, { namespace, name }, { uid }, signal)
          } catch (error) {
            if (!isPodwireError(error, 'NOT_FOUND')) throw error
          }
        }),
      ])
      if (!expectations.isMet(key)) queue.addAfter(key, expectationTimeoutMs) // For what comes and goes unseen.
      const failed = written.find(result => result.status === 'rejected')
      if (failed) throw failed.reason
    },
  })
}

const hasSelector = ({ spec }: Service): boolean => spec?.type !== 'ExternalName' && Object.keys(spec?.selector ?? {}).length > 0

/** Only what a slice shows of a Pod; kubelets write much more often than that changes. */
const changesEndpoints = (before: Pod, after: Pod): boolean =>
  isPodReady(before) !== isPodReady(after) ||
  before.metadata?.deletionTimestamp !== after.metadata?.deletionTimestamp ||
  before.spec?.nodeName !== after.spec?.nodeName ||
  before.status?.phase !== after.status?.phase ||
  before.status?.podIP !== after.status?.podIP ||
  !jsonEqual(before.status?.podIPs, after.status?.podIPs) ||
  !jsonEqual(before.metadata?.labels, after.metadata?.labels)
