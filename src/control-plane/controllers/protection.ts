import type { ApiResource } from '../../api/api-resource.js'
import { persistentvolumeclaims, persistentvolumes, servicecidrs } from '../../api/generated/resources.js'
import type { IPAddress, PersistentVolume, PersistentVolumeClaim, Pod, ServiceCIDR } from '../../api/generated/types.js'
import { isPodTerminal } from '../../api/pod-state.js'
import { timeText } from '../../api/time-text.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { cidrContains, isIp, parseCidr, parseIp } from '../../base/net/address.js'
import { systemClock } from '../../base/time/clock.js'
import type { ApiObject } from '../../client/client.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

interface Protection<T extends ApiObject> {
  readonly name: string
  readonly parts: ControllerParts
  readonly resource: ApiResource<T>
  readonly informer: Informer<T>
  readonly finalizer: string
  /** What decides whether an object is in use. */
  readonly reads: readonly Informer<ApiObject>[]
  readonly isInUse: (object: T) => boolean
}

/** Takes its finalizer off objects that are being deleted once nothing uses them. */
function protectionController<T extends ApiObject>({
  name,
  parts,
  resource,
  informer,
  finalizer,
  reads,
  isInUse,
}: Protection<T>): Controller {
  const isHeld = ({ metadata }: ApiObject): boolean =>
    metadata?.deletionTimestamp !== undefined && (metadata.finalizers?.includes(finalizer) ?? false)
  return keyedController({
    name,
    parts,
    reads: [informer, ...reads],
    watch(queue) {
      onObjectChange(informer, (_before, after) => after && isHeld(after) && queue.add(keyOfObject(after)))
      for (const other of reads) {
        onObjectChange(other, () => {
          for (const object of informer.list()) if (isHeld(object)) queue.add(keyOfObject(object))
        })
      }
    },
    async reconcile(key, _queue, signal) {
      const object = informer.get(key)
      if (!object || !isHeld(object) || isInUse(object)) return
      const finalizers = object.metadata?.finalizers?.filter(other => other !== finalizer) ?? []
      await parts.client.update(resource, { ...object, metadata: { ...object.metadata, finalizers } }, signal).catch((error: unknown) => {
        if (!isPodwireError(error, 'NOT_FOUND')) throw error
      })
    },
  })
}

/** Claims stay while a Pod uses them. */
export const claimProtection = (
  parts: ControllerParts & { readonly claims: Informer<PersistentVolumeClaim>; readonly pods: Informer<Pod> },
): Controller =>
  protectionController({
    name: 'claim-protection',
    parts,
    resource: persistentvolumeclaims,
    informer: parts.claims,
    finalizer: 'kubernetes.io/pvc-protection',
    reads: [parts.pods],
    isInUse: ({ metadata }) =>
      parts.pods
        .list()
        .some(
          pod =>
            pod.metadata?.namespace === metadata?.namespace &&
            !isPodTerminal(pod) &&
            pod.spec?.volumes?.some(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === metadata?.name),
        ),
  })

/** Volumes stay while a claim is bound to them. */
export const volumeProtection = (parts: ControllerParts & { readonly volumes: Informer<PersistentVolume> }): Controller =>
  protectionController({
    name: 'volume-protection',
    parts,
    resource: persistentvolumes,
    informer: parts.volumes,
    finalizer: 'kubernetes.io/pv-protection',
    reads: [],
    isInUse: ({ status }) => status?.phase === 'Bound',
  })

const rangeFinalizer = 'networking.k8s.io/service-cidr-finalizer'

/** Ranges of Services are ready as soon as they are there, and stay while an address of theirs is in use that no other range holds. */
export function serviceCidrController(
  parts: ControllerParts & { readonly ranges: Informer<ServiceCIDR>; readonly addresses: Informer<IPAddress> },
): Controller {
  const { client, ranges, addresses, clock = systemClock } = parts
  const isInUse = (range: ServiceCIDR): boolean => {
    const others = ranges.list().filter(({ metadata }) => metadata?.uid !== range.metadata?.uid && !metadata?.deletionTimestamp)
    const holds = ({ spec }: ServiceCIDR, address: string): boolean =>
      spec?.cidrs?.some(cidr => cidrContains(parseCidr(cidr), parseIp(address))) ?? false
    return addresses.list().some(({ metadata }) => {
      const address = metadata?.name ?? ''
      return isIp(address) && holds(range, address) && !others.some(other => holds(other, address))
    })
  }
  return keyedController({
    name: 'service-cidr',
    parts,
    reads: [ranges, addresses],
    watch(queue) {
      onObjectChange(ranges, (_before, after) => after && queue.add(keyOfObject(after)))
      onObjectChange(addresses, () => {
        for (const range of ranges.list()) if (range.metadata?.deletionTimestamp) queue.add(keyOfObject(range))
      })
    },
    async reconcile(key, _queue, signal) {
      const range = ranges.get(key)
      if (!range) return
      const finalizers = range.metadata?.finalizers ?? []
      const isGoing = range.metadata?.deletionTimestamp !== undefined
      if (!isGoing && !finalizers.includes(rangeFinalizer)) {
        const metadata = { ...range.metadata, finalizers: [...finalizers, rangeFinalizer] }
        await client.update(servicecidrs, { ...range, metadata }, signal)
        return
      }
      if (isGoing && finalizers.includes(rangeFinalizer) && !isInUse(range)) {
        const metadata = { ...range.metadata, finalizers: finalizers.filter(other => other !== rangeFinalizer) }
        await client.update(servicecidrs, { ...range, metadata }, signal)
        return
      }
      const wanted = isGoing
        ? {
            status: 'False',
            reason: 'Terminating',
            message: 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
          }
        : { status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' }
      const ready = range.status?.conditions?.find(({ type }) => type === 'Ready')
      if (ready?.status === wanted.status) return
      const condition = { type: 'Ready', ...wanted, lastTransitionTime: timeText(clock.now()) }
      await client.updateStatus(servicecidrs, { ...range, status: { ...range.status, conditions: [condition] } }, signal)
    },
  })
}
