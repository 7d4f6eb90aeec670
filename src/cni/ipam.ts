import { mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { PodwireError } from '../base/errors/podwire-error.js'
import { type Cidr, type Ip, isIp, parseIp } from '../base/net/address.js'
import { type AddressRange, addressesAfter, type RangeSet, rangeOf, sizeOfRange } from './address-range.js'
import { cniError, cniErrorCodes } from './cni-error.js'
import type { AttachmentKey } from './request.js'

/** An address that belongs to a Pod's interface. */
export interface Allocation {
  readonly address: Ip
  /** What the range says is on the link. */
  readonly subnet: Cidr
  readonly gateway: Ip
}

/**
 * Which Pod has which address of this node's ranges.
 *
 * An allocation is a symbolic link: its name is the address, where it points to is the owner. Making a link is one step that
 * succeeds for one process only, and its content is there with it, so a `kill -9` at any moment leaves an address either free or owned,
 * and any number of processes may allocate at the same time. Nothing is forced to the disk: a power cut takes the Pods' interfaces too.
 */
export interface Ipam {
  /**
   * One address of each set for `owner`, kept whatever dies afterwards; the addresses it holds already, if any.
   * Addresses are taken in turn, so that one just released rests as long as possible. ADDRESS_EXHAUSTED when a set is full.
   * Addresses asked for are given or refused: code 7 when no set has them, code 104 when another Pod has them.
   */
  allocate(owner: AttachmentKey, requested?: readonly Ip[]): Promise<readonly Allocation[]>
  /** Frees what `owner` holds; nothing to free is no error. */
  release(owner: AttachmentKey): Promise<void>
  /** What `owner` holds, of whatever range. */
  heldBy(owner: AttachmentKey): readonly Ip[]
  /** Every address in use and by whom. */
  list(): ReadonlyMap<Ip, AttachmentKey>
  /** The sets that have no address left. */
  exhausted(): readonly RangeSet[]
}

/** The allocations kept in `dir`, which is made when missing. */
export function openIpam(dir: string, sets: readonly RangeSet[]): Ipam {
  mkdirSync(dir, { recursive: true })

  const list = (): ReadonlyMap<Ip, AttachmentKey> => {
    const owners = new Map<Ip, AttachmentKey>()
    for (const name of readdirSync(dir)) {
      const owner = isIp(name) ? readOwner(join(dir, name)) : undefined
      if (owner !== undefined) owners.set(parseIp(name), owner)
    }
    return owners
  }

  const heldBy = (owner: AttachmentKey): readonly Ip[] =>
    [...list()].filter(([, holder]) => isSame(holder, owner)).map(([address]) => address)

  const take = (address: Ip, owner: AttachmentKey): boolean => makeLink(`${owner.containerId}/${owner.ifname}`, join(dir, address))

  function takeNext(set: RangeSet, owner: AttachmentKey, used: ReadonlyMap<Ip, AttachmentKey>): { range: AddressRange; address: Ip } {
    const lastFile = join(dir, `last-${set[0].subnet.replace('/', '-')}`)
    const latest = readLink(lastFile)
    for (const candidate of addressesAfter(set, latest !== undefined && isIp(latest) ? parseIp(latest) : undefined)) {
      if (used.has(candidate.address) || !take(candidate.address, owner)) continue
      const temporary = `${lastFile}.${process.pid}`
      rmSync(temporary, { force: true })
      symlinkSync(candidate.address, temporary)
      renameSync(temporary, lastFile)
      return candidate
    }
    const count = set.reduce((sum, range) => sum + sizeOfRange(range), 0n)
    throw new PodwireError('ADDRESS_EXHAUSTED', `all ${count} Pod addresses of ${textOfSet(set)} are in use`, {
      hint: 'Delete Pods of this node, or give its Node object a larger podCIDR.',
    })
  }

  function takeRequested(set: RangeSet, address: Ip, owner: AttachmentKey): { range: AddressRange; address: Ip } {
    const range = rangeOf(set, address)
    if (range === undefined) throw new PodwireError('INTERNAL', `${address} was looked for in ${textOfSet(set)}`)
    if (take(address, owner)) return { range, address }
    const holder = readOwner(join(dir, address))
    throw cniError(cniErrorCodes.addressInUse, `${address} was asked for and belongs to container ${holder?.containerId}`)
  }

  /** One request a set, in the order of the sets. */
  function assign(requested: readonly Ip[]): ReadonlyMap<RangeSet, Ip> {
    const wishes = new Map<RangeSet, Ip>()
    for (const address of requested) {
      const set = sets.find(candidate => !wishes.has(candidate) && rangeOf(candidate, address) !== undefined)
      if (set === undefined) {
        const list = sets.map(textOfSet).join(' and ')
        throw cniError(
          cniErrorCodes.badConfig,
          `${address} was asked for and is no Pod address of ${list}, or not the only one asked of it`,
        )
      }
      wishes.set(set, address)
    }
    return wishes
  }

  return {
    list,
    heldBy,
    async allocate(owner, requested = []) {
      const wishes = assign(requested)
      const used = list()
      const mine = [...used].filter(([, holder]) => isSame(holder, owner)).map(([address]) => address)
      const taken: Ip[] = []
      try {
        const allocations = sets.map((set): Allocation => {
          const wish = wishes.get(set)
          const held = mine.find(address => rangeOf(set, address) !== undefined && (wish ?? address) === address)
          if (held !== undefined) return allocationOf(rangeOf(set, held)!, held)
          const { range, address } = wish === undefined ? takeNext(set, owner, used) : takeRequested(set, wish, owner)
          taken.push(address)
          return allocationOf(range, address)
        })
        return allocations
      } catch (error) {
        for (const address of taken) rmSync(join(dir, address), { force: true })
        throw error
      }
    },
    async release(owner) {
      const held = heldBy(owner)
      for (const address of held) rmSync(join(dir, address), { force: true })
    },
    exhausted() {
      const used = [...list().keys()]
      return sets.filter(set => {
        const inUse = used.filter(address => rangeOf(set, address) !== undefined).length
        return BigInt(inUse) >= set.reduce((sum, range) => sum + sizeOfRange(range), 0n)
      })
    },
  }
}

const allocationOf = ({ subnet, gateway }: AddressRange, address: Ip): Allocation => ({ address, subnet, gateway })

/** The set as messages name it. */
export const textOfSet = (set: RangeSet): string => set.map(({ subnet }) => subnet).join(', ')

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
