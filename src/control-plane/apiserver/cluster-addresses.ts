import { randomUUID } from 'node:crypto'

import type { IPAddress, ServiceCIDR } from '../../api/generated/types.js'
import type { ResourceType } from '../../api/resource-type.js'
import { timeText } from '../../api/time-text.js'
import { type Cidr, cidrContains, cidrParts, cidrSize, type Ip, isIp, nthAddress, parseCidr, parseIp } from '../../base/net/address.js'
import type { Commit } from '../store/store.js'
import type { ObjectCache } from './object-cache.js'
import { encodeStored, objectStoreKey } from './object-codec.js'

/**
 * Addresses for Services, from the ranges of all ServiceCIDRs. An IPAddress object is what stands for an address that is taken: it is
 * made and removed in the commit of its Service, so that two servers can never give one address to two Services.
 */
export interface ClusterAddresses {
  /** A free address, searched onwards from the last one given; undefined when none is left. */
  pick(family: 'IPv4' | 'IPv6'): Ip | undefined
  /** Why an address cannot be had. */
  refusalOf(address: string): string | undefined
  hold(address: string, owner: { readonly namespace: string; readonly name: string }): Commit
  giveBack(address: string): Commit
}

interface Parts {
  readonly cache: ObjectCache
  readonly ipAddresses: ResourceType
  readonly serviceCidrs: ResourceType
  /** What stands in the ServiceCIDR `kubernetes`; used before it is there. */
  readonly firstRanges: readonly string[]
}

/** Written on every IPAddress that is ours. */
const managedByLabel = 'ipaddress.kubernetes.io/managed-by'
const familyLabel = 'ipaddress.kubernetes.io/ip-family'

/** The part of a range below which nothing is given out unasked (KEP-3070). */
function reservedCount(size: bigint): bigint {
  if (size < 64n) return 1n
  const sixteenth = size / 16n
  return 1n + (sixteenth < 16n ? 16n : sixteenth > 256n ? 256n : sixteenth)
}

export function createClusterAddresses({ cache, ipAddresses, serviceCidrs, firstRanges }: Parts): ClusterAddresses {
  const next = new Map<Cidr, bigint>()
  const keyOf = (address: string): string => objectStoreKey(ipAddresses, { name: address })
  const isHeld = (address: string): boolean => cache.collection(ipAddresses).get(keyOf(address)) !== undefined

  function ranges(): readonly Cidr[] {
    const objects = cache.collection(serviceCidrs).list(objectStoreKey(serviceCidrs, { name: '' }))
    const live = objects.map(({ object }) => object as ServiceCIDR).filter(({ metadata }) => !metadata?.deletionTimestamp)
    const texts = live.length > 0 ? live.flatMap(({ spec }) => spec?.cidrs ?? []) : firstRanges
    return texts.map(parseCidr)
  }

  /** Numbers of a range in the order in which they are given: IPv4 has its network and broadcast address, IPv6 only the first. */
  function* candidates(range: Cidr): Generator<bigint> {
    const end = cidrSize(range) - (cidrParts(range).family === 4 ? 1n : 0n)
    const low = reservedCount(cidrSize(range))
    const start = next.get(range) ?? low
    for (let number = start; number < end; number++) yield number
    for (let number = low; number < start; number++) yield number
    for (let number = 1n; number < low; number++) yield number
  }

  return {
    pick(family) {
      for (const range of ranges()) {
        if (cidrParts(range).family !== (family === 'IPv6' ? 6 : 4)) continue
        for (const number of candidates(range)) {
          const address = nthAddress(range, number)
          if (isHeld(address)) continue
          next.set(range, number + 1n)
          return address
        }
      }
      return undefined
    },
    refusalOf(address) {
      if (!isIp(address)) return 'the provided IP is not an IP address'
      const ip = parseIp(address)
      const range = ranges().find(range => cidrContains(range, ip))
      if (!range) {
        return `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${ranges().join(',')}`
      }
      const isIpv4 = cidrParts(range).family === 4
      const isEdge = ip === nthAddress(range, 0) || (isIpv4 && ip === nthAddress(range, cidrSize(range) - 1n))
      if (isEdge) return `the provided IP (${address}) is the network or broadcast address of ${range}`
      return isHeld(ip) ? 'provided IP is already allocated' : undefined
    },
    hold(address, { namespace, name }) {
      const object: IPAddress = {
        metadata: {
          name: address,
          uid: randomUUID(),
          creationTimestamp: timeText(Date.now()),
          labels: { [familyLabel]: address.includes(':') ? 'IPv6' : 'IPv4', [managedByLabel]: 'ipallocator.k8s.io' },
        },
        spec: { parentRef: { group: '', resource: 'services', namespace, name } },
      }
      const key = keyOf(address)
      return { expect: [{ key, revision: 0 }], changes: [{ type: 'put', key, value: encodeStored(ipAddresses, object) }] }
    },
    giveBack: address => ({ expect: [], changes: [{ type: 'delete', key: keyOf(address) }] }),
  }
}
