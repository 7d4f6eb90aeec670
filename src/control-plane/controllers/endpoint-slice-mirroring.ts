import { endpointslices, endpoints as endpointsResource } from '../../api/generated/resources.js'
import type { Endpoint, EndpointAddress, EndpointSlice, EndpointSubset, Endpoints, Service } from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import { controllerReference } from '../../api/owners.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { managedByLabel, serviceNameLabel } from './endpoint-slice-plan.js'
import { generatedName } from './expectations.js'
import { onObjectChange } from './object-changes.js'

interface Parts extends ControllerParts {
  readonly services: Informer<Service>
  readonly endpoints: Informer<Endpoints>
  readonly endpointSlices: Informer<EndpointSlice>
}

const mirroredBy = 'endpointslicemirroring-controller.k8s.io'
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror'
/** Endpoints that once carried leases are of no Service. */
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader'
const largestSubset = 1000

/** Shows Endpoints that people write for Services without a selector as EndpointSlices, which is what proxies read. */
export function endpointSliceMirroring(parts: Parts): Controller {
  const { client, services, endpoints, endpointSlices } = parts
  const mirrorsOf = (key: string): EndpointSlice[] =>
    endpointSlices.list().filter(({ metadata }) => {
      const labels = metadata?.labels
      return labels?.[managedByLabel] === mirroredBy && `${metadata?.namespace}/${labels[serviceNameLabel]}` === key
    })

  return keyedController({
    name: 'endpoint-slice-mirroring',
    parts,
    workers: 1,
    reads: [services, endpoints, endpointSlices],
    watch(queue) {
      onObjectChange(services, (before, after) => queue.add(keyOfObject((after ?? before)!)))
      onObjectChange(endpoints, (before, after) => queue.add(keyOfObject((after ?? before)!)))
      onObjectChange(endpointSlices, (before, after) => {
        const { namespace, labels } = (after ?? before)?.metadata ?? {}
        if (labels?.[managedByLabel] === mirroredBy) queue.add(`${namespace}/${labels[serviceNameLabel]}`)
      })
    },
    async reconcile(key, _queue, signal) {
      const [service, source] = [services.get(key), endpoints.get(key)]
      const wanted = service && source && isMirrored(service, source) ? planMirrors(source) : []
      const existing = mirrorsOf(key)
      const kept = new Set<EndpointSlice>()
      for (const slice of wanted) {
        const same = existing.find(
          other => !kept.has(other) && other.addressType === slice.addressType && jsonEqual(other.ports ?? [], slice.ports ?? []),
        )
        if (!same) {
          await client.create(endpointslices, slice, signal)
          continue
        }
        kept.add(same)
        const isEqual = jsonEqual(same.endpoints, slice.endpoints) && jsonEqual(same.metadata?.labels, slice.metadata?.labels)
        if (isEqual) continue
        const metadata = { ...same.metadata, labels: slice.metadata?.labels ?? {} }
        await client.update(endpointslices, { ...same, metadata, endpoints: slice.endpoints ?? [] }, signal)
      }
      for (const { metadata: { namespace, name = '', uid = '' } = {} } of existing.filter(slice => !kept.has(slice))) {
        await client.delete(endpointslices, { namespace, name }, { uid }, signal).catch((error: unknown) => {
          if (!isPodwireError(error, 'NOT_FOUND')) throw error
        })
      }
    },
  })
}

function isMirrored({ spec }: Service, { metadata }: Endpoints): boolean {
  if (Object.keys(spec?.selector ?? {}).length > 0 || spec?.type === 'ExternalName') return false
  return metadata?.labels?.[skipLabel] !== 'true' && metadata?.annotations?.[leaderAnnotation] === undefined
}

/** A slice for each subset and family. */
export function planMirrors(source: Endpoints): EndpointSlice[] {
  return (source.subsets ?? []).flatMap(subset =>
    (['IPv4', 'IPv6'] as const).flatMap(family => {
      const isOfFamily = ({ ip }: EndpointAddress): boolean => ip.includes(':') === (family === 'IPv6')
      const found = [
        ...(subset.addresses ?? []).filter(isOfFamily).map(address => endpointOf(address, true)),
        ...(subset.notReadyAddresses ?? []).filter(isOfFamily).map(address => endpointOf(address, false)),
      ]
      return found.length === 0 ? [] : [sliceOf(source, subset, family, found.slice(0, largestSubset))]
    }),
  )
}

function sliceOf(
  source: Endpoints,
  { ports = [] }: EndpointSubset,
  addressType: 'IPv4' | 'IPv6',
  found: readonly Endpoint[],
): EndpointSlice {
  const prefix = `${source.metadata?.name}-`
  return {
    metadata: {
      name: generatedName(prefix),
      generateName: prefix,
      namespace: source.metadata?.namespace ?? 'default',
      labels: { ...source.metadata?.labels, [serviceNameLabel]: source.metadata?.name ?? '', [managedByLabel]: mirroredBy },
      ownerReferences: [controllerReference(endpointsResource, source)],
    },
    addressType,
    ports: ports.map(({ name = '', ...port }) => ({ name, ...port })),
    endpoints: found,
  }
}

const endpointOf = ({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint => ({
  addresses: [ip],
  conditions: { ready },
  ...(hostname && { hostname }),
  ...(nodeName && { nodeName }),
  ...(targetRef && { targetRef }),
})
