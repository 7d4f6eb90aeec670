import { endpoints as endpointsResource } from '../../api/generated/resources.js'
import type { Endpoints, Pod, Service } from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import { matchesLabels, requirementsOf } from '../../api/selector.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { isOurEndpoints, planEndpoints } from './endpoints-plan.js'
import { onObjectChange } from './object-changes.js'

interface Parts extends ControllerParts {
  readonly services: Informer<Service>
  readonly pods: Informer<Pod>
  readonly endpoints: Informer<Endpoints>
}

/** Lists the Pods behind each Service with a selector in one Endpoints object, for clients that know no EndpointSlices. */
export function endpointsController(parts: Parts): Controller {
  const { client, services, pods, endpoints } = parts

  const selects = (service: Service, pod: Pod | undefined): boolean =>
    pod !== undefined &&
    pod.metadata?.namespace === service.metadata?.namespace &&
    matchesLabels(requirementsOf({ matchLabels: service.spec?.selector ?? {} }), pod.metadata?.labels)

  return keyedController({
    name: 'endpoints',
    parts,
    reads: [services, pods, endpoints],
    watch(queue) {
      onObjectChange(services, (before, after) => queue.add(keyOfObject((after ?? before)!)))
      onObjectChange(pods, (before, after) => {
        for (const service of services.list()) {
          if (hasSelector(service) && (selects(service, before) || selects(service, after))) queue.add(keyOfObject(service))
        }
      })
      onObjectChange(endpoints, (before, after) => {
        const object = (after ?? before)!
        if (isOurEndpoints(object)) queue.add(keyOfObject(object))
      })
    },
    async reconcile(key, _queue, signal) {
      const service = services.get(key)
      const existing = endpoints.get(key)
      const [namespace, name = ''] = key.split('/')
      if (!service) {
        if (!existing || !isOurEndpoints(existing)) return
        await client.delete(endpointsResource, { namespace, name }, {}, signal).catch((error: unknown) => {
          if (!isPodwireError(error, 'NOT_FOUND')) throw error
        })
        return
      }
      if (!hasSelector(service) || service.metadata?.deletionTimestamp !== undefined) return
      const wanted = planEndpoints(
        service,
        pods.list().filter(pod => selects(service, pod)),
      )
      if (!existing) {
        await client.create(endpointsResource, wanted, signal).catch((error: unknown) => {
          // Our copy is behind; the event of what is there comes.
          if (!isPodwireError(error, 'ALREADY_EXISTS')) throw error
        })
        return
      }
      const { labels, annotations } = wanted.metadata ?? {}
      const isSame = jsonEqual(existing.subsets ?? [], wanted.subsets ?? []) && jsonEqual(existing.metadata?.labels, labels)
      if (isSame) return
      const metadata = { ...existing.metadata, labels: labels ?? {}, annotations: { ...existing.metadata?.annotations, ...annotations } }
      const { subsets: _, ...rest } = existing
      await client.update(endpointsResource, { ...rest, metadata, ...(wanted.subsets && { subsets: wanted.subsets }) }, signal)
    },
  })
}

const hasSelector = ({ spec }: Service): boolean => spec?.type !== 'ExternalName' && Object.keys(spec?.selector ?? {}).length > 0
