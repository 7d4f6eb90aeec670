import type { EndpointSlice, Service } from '../api/generated/types.js'
import { buildServiceRecords, type ServiceRecords } from './service-records.js'

const serviceNameLabel = 'kubernetes.io/service-name'

/** Where the objects are read from when their key changes; the shape of an informer. */
export interface ObjectSource<T> {
  get(key: string): T | undefined
  list(): readonly T[]
  onChange(listener: (key: string) => void): () => void
}

/** A name below `svc` that an address belongs to: the Service's own, or that of one endpoint of a headless Service. */
export interface ReverseName {
  readonly service: string
  readonly namespace: string
  readonly label?: string
}

/** What is looked up for an answer; every look-up costs the same however many Services there are. */
export interface ZoneIndex {
  service(namespace: string, name: string): ServiceRecords | undefined
  hasNamespace(namespace: string): boolean
  reverse(address: string): readonly ReverseName[]
}

/** Follows Services and EndpointSlices; a change costs one Service. */
export function indexZone(services: ObjectSource<Service>, slices: ObjectSource<EndpointSlice>): ZoneIndex {
  const records = new Map<string, ServiceRecords>()
  const namespaces = new Map<string, number>()
  const reverse = new Map<string, ReverseName[]>()
  const sliceOwner = new Map<string, string>()
  const slicesOf = new Map<string, Set<string>>()

  function refresh(key: string): void {
    const before = records.get(key)
    const service = services.get(key)
    const own = [...(slicesOf.get(key) ?? [])].flatMap(sliceKey => slices.get(sliceKey) ?? [])
    const now = service && buildServiceRecords(service, own)
    const [namespace = '', name = ''] = key.split('/')

    if (before) for (const { address } of addressesOf(before)) removeReverse(address, namespace, name)
    if (now) {
      records.set(key, now)
      for (const { address, label } of addressesOf(now)) {
        const names = reverse.get(address) ?? []
        reverse.set(address, [...names, { service: name, namespace, ...(label !== undefined && { label }) }])
      }
    } else records.delete(key)
    const count = (namespaces.get(namespace) ?? 0) + (now ? 1 : 0) - (before ? 1 : 0)
    if (count > 0) namespaces.set(namespace, count)
    else namespaces.delete(namespace)
  }

  function removeReverse(address: string, namespace: string, service: string): void {
    const rest = (reverse.get(address) ?? []).filter(name => name.namespace !== namespace || name.service !== service)
    if (rest.length > 0) reverse.set(address, rest)
    else reverse.delete(address)
  }

  function sliceChanged(sliceKey: string): void {
    const slice = slices.get(sliceKey)
    const name = slice?.metadata?.labels?.[serviceNameLabel]
    const owner = slice && name !== undefined ? `${slice.metadata?.namespace}/${name}` : undefined
    const before = sliceOwner.get(sliceKey)
    if (before !== undefined && before !== owner) {
      slicesOf.get(before)?.delete(sliceKey)
      if (slicesOf.get(before)?.size === 0) slicesOf.delete(before)
      sliceOwner.delete(sliceKey)
      refresh(before)
    }
    if (owner === undefined) return
    sliceOwner.set(sliceKey, owner)
    slicesOf.set(owner, (slicesOf.get(owner) ?? new Set()).add(sliceKey))
    refresh(owner)
  }

  services.onChange(refresh)
  slices.onChange(sliceChanged)
  for (const { metadata } of slices.list()) sliceChanged(`${metadata?.namespace}/${metadata?.name}`)
  for (const { metadata } of services.list()) refresh(`${metadata?.namespace}/${metadata?.name}`)

  return {
    service: (namespace, name) => records.get(`${namespace}/${name}`),
    hasNamespace: namespace => namespaces.has(namespace),
    reverse: address => reverse.get(address) ?? [],
  }
}

function addressesOf(records: ServiceRecords): readonly { readonly address: string; readonly label?: string }[] {
  switch (records.kind) {
    case 'clusterIP':
      return records.addresses.map(address => ({ address }))
    case 'headless':
      return records.endpoints
    case 'externalName':
      return []
  }
}
