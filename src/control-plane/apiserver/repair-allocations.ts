import type { Logger } from 'pino'

import type { IPAddress, Service } from '../../api/generated/types.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import type { Commit, Store } from '../store/store.js'
import type { ClusterAddresses } from './cluster-addresses.js'
import type { ObjectCache } from './object-cache.js'
import { collectionPrefix, objectStoreKey } from './object-codec.js'
import { addressesOf, type ServiceAllocation } from './service-allocation.js'

interface Parts {
  readonly store: Store
  readonly cache: ObjectCache
  readonly addresses: ClusterAddresses
  readonly allocation: ServiceAllocation
  readonly services: ResourceType
  readonly ipAddresses: ResourceType
}

/**
 * Makes the record of what is taken agree with the Services: an address that a Service has and no IPAddress stands for is held again,
 * and what is held for Services that are gone, or that have another address, is given back.
 */
export async function repairAllocations({ store, cache, addresses, allocation, services, ipAddresses }: Parts): Promise<void> {
  await cache.current()
  const all = cache.collection(services).list(collectionPrefix(services))
  const commits: Commit[] = []
  for (const { object } of all) {
    const { namespace = '', name = '' } = object.metadata
    for (const address of addressesOf(specOf(object))) {
      if (cache.collection(ipAddresses).get(objectStoreKey(ipAddresses, { name: address }))) continue
      commits.push(addresses.hold(address, { namespace, name }))
    }
  }
  for (const { key, revision, object } of cache.collection(ipAddresses).list(collectionPrefix(ipAddresses))) {
    const { group, resource, namespace = '', name } = (object as IPAddress).spec?.parentRef ?? { resource: '', name: '' }
    if (group || resource !== services.resource) continue
    const owner = cache.collection(services).get(objectStoreKey(services, { namespace, name }))
    if (owner && addressesOf(specOf(owner.object)).includes(object.metadata.name ?? '')) continue
    commits.push({ expect: [{ key, revision }], changes: [{ type: 'delete', key }] })
  }
  const stray = allocation.strayPorts(all.map(({ object }) => object as Service))
  if (stray.changes.length > 0) commits.push(stray)
  for (const commit of commits) {
    const result = await store.commit(commit)
    // Whoever was faster has repaired the same.
    if (result.committed) allocation.noteCommitted(commit.changes)
  }
  if (commits.length > 0) await cache.current()
}

interface KeepParts extends Omit<Parts, 'allocation'> {
  readonly log: Pick<Logger, 'warn'>
}

/** Holds again, until `signal` aborts, whatever address of a Service somebody deletes. Upstream looks every few minutes. */
export function keepAddresses({ store, cache, addresses, services, ipAddresses, log }: KeepParts, signal: AbortSignal): void {
  async function holdAgain(address: string, at: { readonly namespace: string; readonly name: string }): Promise<void> {
    // A Service that goes takes its address with it, in the same commit.
    await cache.current()
    const owner = cache.collection(services).get(objectStoreKey(services, at))
    if (!owner || !addressesOf(specOf(owner.object)).includes(address)) return
    const { expect, changes } = addresses.hold(address, at)
    // The Service must be as it was seen; else whoever changed it has seen to the address.
    await store.commit({ expect: [...expect, { key: owner.key, revision: owner.revision }], changes })
  }

  const stop = cache.collection(ipAddresses).subscribe(cache.revision, ({ current, previous }) => {
    const { parentRef } = (previous?.object as IPAddress | undefined)?.spec ?? {}
    if (current || !parentRef || parentRef.group || parentRef.resource !== services.resource) return
    const { namespace = '', name } = parentRef
    holdAgain(previous?.object.metadata.name ?? '', { namespace, name }).catch((error: unknown) => {
      if (!signal.aborted) log.warn({ err: error, service: `${namespace}/${name}` }, 'an address of a Service is not held any more')
    })
  })
  signal.addEventListener('abort', stop, { once: true })
}

const specOf = (object: KubeObject): Service['spec'] => (object as Service).spec
