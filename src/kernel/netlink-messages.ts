import {
  formatAttribute,
  formatMessage,
  type NetlinkAttribute,
  type NetlinkMessage,
  padding,
  parseAttributes,
  parseMessages,
} from 'netlink/dist/structs.js'

/** Flags of a netlink request (linux/netlink.h). */
export const nlm = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  dumpInterrupted: 0x10,
  capped: 0x100,
  ackTlvs: 0x200,
  dump: 0x300,
  replace: 0x100,
  excl: 0x200,
  create: 0x400,
} as const

/** Message types of the protocol itself. */
export const nlmsg = { error: 2, done: 3 } as const

/** One attribute to send: plain bytes, or a nest of attributes (sent with NLA_F_NESTED, which strict checking demands). */
export type Attribute = readonly [type: number, value: Uint8Array | readonly Attribute[]]

/** The attributes of a message by type. Of repeated ones the last counts. */
export type Attributes = ReadonlyMap<number, Buffer>

/** The fixed header that every message of a family begins with, and its attributes. */
export interface Request {
  readonly type: number
  readonly flags: number
  readonly header: Uint8Array
  readonly attributes: readonly Attribute[]
}

/** The bytes of one request. */
export function encodeRequest(request: Request, seq: number): Buffer {
  const { type, flags, header, attributes } = request
  return Buffer.concat(formatMessage({ type, flags: flags | nlm.request, seq, port: 0, data: [header, encodeAttributes(attributes)] }))
}

function encodeAttributes(attributes: readonly Attribute[]): Buffer {
  return Buffer.concat(
    attributes.flatMap(([type, value]) => {
      const nested = !(value instanceof Uint8Array)
      const data = nested ? encodeAttributes(value) : value
      return [...formatAttribute({ type, nested, data }), Buffer.alloc(padding(data.length))]
    }),
  )
}

/** The messages in what one `recv` returned. */
export const decodeMessages = (bytes: Buffer): readonly NetlinkMessage[] => parseMessages(bytes)

/** The attributes after a fixed header of `headerLength` bytes. */
export function decodeAttributes(bytes: Buffer, headerLength = 0): Attributes {
  const attributes = new Map<number, Buffer>()
  parseAttributes(bytes.subarray(headerLength), ({ type, data }: NetlinkAttribute) => attributes.set(type, data))
  return attributes
}

// Netlink speaks the byte order of the machine, and every machine Node 20 runs Linux on but s390x is little endian.
export const u8 = (value: number): Buffer => Buffer.from([value])
export const u16be = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
export const text = (value: string): Buffer => Buffer.from(`${value}\0`)

export const readU32 = (bytes: Buffer | undefined): number | undefined => bytes?.readUInt32LE(0)
export const readU16be = (bytes: Buffer | undefined): number | undefined => bytes?.readUInt16BE(0)
export const readText = (bytes: Buffer | undefined): string | undefined => bytes?.toString('utf8').replace(/\0+$/, '')

/** `02:42:ac:1e:00:0b` as six bytes, and back. */
export const macToBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex')
export const macFromBytes = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/..(?=.)/g, '$&:')
