import { mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { PodwireError } from '../base/errors/podwire-error.js'
import { type Cidr, cidrParts, cidrSize, type Ip, indexInCidr, isIp, nthAddress, parseIp } from '../base/net/address.js'
import type { AttachmentKey } from './request.js'

/** An address that belongs to a Pod's interface, with the range it is from. */
export interface Allocation {
  readonly range: Cidr
  readonly address: Ip
  /** The first address of the range: the node's own on the bridge. */
  readonly gateway: Ip
}

/**
 * Which Pod has which address of this node's ranges.
 *
 * An allocation is a symbolic link: its name is the address, where it points to is the owner. Making a link is one step that
 * succeeds for one process only, and its content is there with it, so a `kill -9` at any moment leaves an address either free or owned,
 * and any number of processes may allocate at the same time.
 */
export interface Ipam {
  /**
   * One address of each range for `owner`, durable when the promise resolves; the addresses it holds already, if any.
   * Addresses are taken in turn, so that one just released rests as long as possible. ADDRESS_EXHAUSTED when a range is full.
   */
  allocate(owner: AttachmentKey): Promise<readonly Allocation[]>
  /** Frees what `owner` holds; nothing to free is no error. */
  release(owner: AttachmentKey): Promise<void>
  /** Every address in use and by whom. */
  list(): ReadonlyMap<Ip, AttachmentKey>
  /** The ranges that have no address left. */
  exhausted(): readonly Cidr[]
}

/** The allocations kept in `dir`, which is made when missing. CONFIG_INVALID for ranges too small to hold a Pod. */
export function openIpam(dir: string, ranges: readonly Cidr[]): Ipam {
  for (const range of ranges) {
    if (cidrSize(range) < 4n)
      throw new PodwireError('CONFIG_INVALID', `${range} has no room for Pods: use a /30 (IPv4), a /126 (IPv6) or larger`)
  }
  mkdirSync(dir, { recursive: true })

  const list = (): ReadonlyMap<Ip, AttachmentKey> => {
    const owners = new Map<Ip, AttachmentKey>()
    for (const name of readdirSync(dir)) {
      const owner = isIp(name) ? readOwner(join(dir, name)) : undefined
      if (owner !== undefined) owners.set(parseIp(name), owner)
    }
    return owners
  }

  /** Indices of a range that Pods may have: not the network, the gateway or (IPv4) the broadcast address. */
  const usable = (range: Cidr) => ({ first: 2n, last: cidrSize(range) - (cidrParts(range).family === 4 ? 2n : 1n) })
  const lastFile = (range: Cidr): string => join(dir, `last-${range.replace('/', '-')}`)

  function claim(range: Cidr, owner: AttachmentKey, used: ReadonlyMap<Ip, AttachmentKey>): Ip {
    const { first, last } = usable(range)
    const count = last - first + 1n
    const latest = readLink(lastFile(range))
    const start = latest !== undefined && isIp(latest) ? (indexInCidr(range, parseIp(latest)) ?? first - 1n) - first + 1n : 0n
    for (let i = 0n; i < count; i++) {
      const address = nthAddress(range, first + ((start + i) % count))
      if (used.has(address)) continue
      if (!makeLink(`${owner.containerId}/${owner.ifname}`, join(dir, address))) continue
      const temporary = `${lastFile(range)}.${process.pid}`
      rmSync(temporary, { force: true })
      symlinkSync(address, temporary)
      renameSync(temporary, lastFile(range))
      return address
    }
    throw new PodwireError('ADDRESS_EXHAUSTED', `all ${count} Pod addresses of ${range} are in use`, {
      hint: 'Delete Pods of this node, or give its Node object a larger podCIDR.',
    })
  }

  return {
    list,
    async allocate(owner) {
      const used = list()
      const taken: Ip[] = []
      try {
        const allocations = ranges.map(range => {
          const held = [...used].find(([address, holder]) => isSame(holder, owner) && indexInCidr(range, address) !== undefined)?.[0]
          const address = held ?? claim(range, owner, used)
          if (held === undefined) taken.push(address)
          return { range, address, gateway: nthAddress(range, 1) }
        })
        await syncDirectory(dir)
        return allocations
      } catch (error) {
        for (const address of taken) rmSync(join(dir, address), { force: true })
        throw error
      }
    },
    async release(owner) {
      const held = [...list()].filter(([, holder]) => isSame(holder, owner))
      for (const [address] of held) rmSync(join(dir, address), { force: true })
      if (held.length > 0) await syncDirectory(dir)
    },
    exhausted() {
      const used = list()
      return ranges.filter(range => {
        const { first, last } = usable(range)
        const inUse = [...used.keys()].filter(address => {
          const index = indexInCidr(range, address)
          return index !== undefined && index >= first && index <= last
        })
        return BigInt(inUse.length) > last - first
      })
    },
  }
}

const isSame = (a: AttachmentKey, b: AttachmentKey): boolean => a.containerId === b.containerId && a.ifname === b.ifname

/** False when somebody else has the name already. */
function makeLink(target: string, path: string): boolean {
  try {
    symlinkSync(target, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function readOwner(path: string): AttachmentKey | undefined {
  const [containerId, ifname] = readLink(path)?.split('/') ?? []
  return containerId === undefined || ifname === undefined ? undefined : { containerId, ifname }
}

/** Links live in their directory, so this alone makes them survive a power cut. */
async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
