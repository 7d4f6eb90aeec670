import { type Attribute, decodeAttributes, text } from './netlink-messages.js'
import { openNetlinkSocket } from './netlink-socket.js'
import { errnoOf } from './syscalls.js'

const NETLINK_GENERIC = 16
/** The family that tells of families (linux/genetlink.h). */
const control = { id: 16, version: 2, getFamily: 3, familyId: 1, familyName: 2 } as const
const headerLength = 4

/** One command of a generic netlink family. */
export interface GenericRequest {
  readonly command: number
  readonly flags?: number
  readonly attributes: readonly Attribute[]
}

/** A socket for one generic netlink family. Errors: KERNEL_REFUSED. */
export interface GenericNetlink {
  request(operation: string, request: GenericRequest): void
  /** The attributes, as bytes, of the one answer. */
  get(operation: string, request: GenericRequest): Buffer
  /** The attributes of each answer. */
  dump(operation: string, request: GenericRequest): readonly Buffer[]
  close(): void
}

/**
 * Opens a generic netlink family in the network namespace this thread is in; undefined when the kernel has none of that name.
 * Asking makes the kernel load the module of the family.
 */
export function openGenericNetlink(name: string, version: number): GenericNetlink | undefined {
  const socket = openNetlinkSocket(NETLINK_GENERIC)
  const message = (type: number, { command, flags = 0, attributes }: GenericRequest, of = version) => ({
    type,
    flags,
    header: Buffer.from([command, of, 0, 0]),
    attributes,
  })

  let id: number
  try {
    const asked = { command: control.getFamily, attributes: [[control.familyName, text(name)] as const] }
    const answer = socket.get(`find generic netlink family ${name}`, message(control.id, asked, control.version))
    id = decodeAttributes(answer, headerLength).get(control.familyId)!.readUInt16LE(0)
  } catch (error) {
    socket.close()
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
  return {
    request: (operation, request) => socket.request(operation, message(id, request)),
    get: (operation, request) => socket.get(operation, message(id, request)).subarray(headerLength),
    dump: (operation, request) => socket.dump(operation, message(id, request)).map(({ data }) => data.subarray(headerLength)),
    close: () => socket.close(),
  }
}
