/** An interface that frames of a pcapng file belong to. */
export interface PcapngInterface {
  /** What Wireshark shows: `node-1/cni0`. */
  readonly name: string
  /** LINKTYPE_* of its frames. */
  readonly linkType: number
  readonly description?: string
}

export interface PcapngFrame {
  /** What `addInterface` returned. */
  readonly interfaceId: number
  /** Nanoseconds since the epoch. */
  readonly timeNs: bigint
  readonly bytes: Uint8Array
  /** Length on the wire. */
  readonly originalLength: number
  readonly direction?: 'in' | 'out'
  readonly comment?: string
}

export interface PcapngSection {
  readonly application: string
  readonly hardware?: string
  readonly os?: string
  readonly comment?: string
}

// Block types and option codes of draft-ietf-opsawg-pcapng.
const blockTypes = { sectionHeader: 0x0a0d0d0a, interfaceDescription: 1, enhancedPacket: 6 } as const
const optionCodes = {
  comment: 1,
  sectionHardware: 2,
  sectionOs: 3,
  sectionApplication: 4,
  interfaceName: 2,
  interfaceDescription: 3,
  interfaceTimeResolution: 9,
  packetFlags: 2,
} as const
const byteOrderMagic = 0x1a2b3c4d
/** if_tsresol: units of 10^-9 seconds. */
const nanosecondResolution = 9

/**
 * Writes one pcapng section with named interfaces and nanosecond times into `sink`, block by block in call order.
 * Interfaces may be added at any time before their first frame.
 */
export class PcapngWriter {
  readonly #sink: (block: Uint8Array) => void
  #interfaces = 0
  #frames = 0

  constructor(section: PcapngSection, sink: (block: Uint8Array) => void) {
    this.#sink = sink
    const body = Buffer.alloc(16)
    body.writeUInt32LE(byteOrderMagic, 0)
    body.writeUInt16LE(1, 4) // version 1.0
    body.writeBigInt64LE(-1n, 8) // section length: not given
    sink(
      block(blockTypes.sectionHeader, body, [
        [optionCodes.comment, section.comment],
        [optionCodes.sectionHardware, section.hardware],
        [optionCodes.sectionOs, section.os],
        [optionCodes.sectionApplication, section.application],
      ]),
    )
  }

  /** Frames written so far. */
  get frames(): number {
    return this.#frames
  }

  /** Returns the interface's number, which frames refer to. */
  addInterface({ name, linkType, description }: PcapngInterface): number {
    const body = Buffer.alloc(8)
    body.writeUInt16LE(linkType, 0) // the snap length stays 0: no limit
    this.#sink(
      block(blockTypes.interfaceDescription, body, [
        [optionCodes.interfaceName, name],
        [optionCodes.interfaceDescription, description],
        [optionCodes.interfaceTimeResolution, Uint8Array.of(nanosecondResolution)],
      ]),
    )
    return this.#interfaces++
  }

  /** Returns the frame's number, counted from 1 as Wireshark counts. */
  addFrame({ interfaceId, timeNs, bytes, originalLength, direction, comment }: PcapngFrame): number {
    if (interfaceId >= this.#interfaces) throw new RangeError(`interface ${interfaceId} was not added`)
    const body = Buffer.alloc(20 + padded(bytes.length))
    body.writeUInt32LE(interfaceId, 0)
    body.writeUInt32LE(Number(timeNs >> 32n), 4)
    body.writeUInt32LE(Number(timeNs & 0xffffffffn), 8)
    body.writeUInt32LE(bytes.length, 12)
    body.writeUInt32LE(Math.max(originalLength, bytes.length), 16)
    body.set(bytes, 20)
    const flags = direction === undefined ? undefined : Uint8Array.of(direction === 'in' ? 1 : 2, 0, 0, 0)
    this.#sink(
      block(blockTypes.enhancedPacket, body, [
        [optionCodes.comment, comment],
        [optionCodes.packetFlags, flags],
      ]),
    )
    return ++this.#frames
  }
}

type Option = readonly [code: number, value: string | Uint8Array | undefined]

/** Type, length, body, options, length again; all padded to four bytes. */
function block(type: number, body: Uint8Array, options: readonly Option[]): Uint8Array {
  const encoded = options.flatMap(([code, value]) => (value === undefined ? [] : [option(code, value)]))
  const optionBytes = encoded.length === 0 ? Buffer.alloc(0) : Buffer.concat([...encoded, Buffer.alloc(4)])
  const length = 12 + body.length + optionBytes.length
  const head = Buffer.alloc(8)
  head.writeUInt32LE(type, 0)
  head.writeUInt32LE(length, 4)
  const tail = Buffer.alloc(4)
  tail.writeUInt32LE(length, 0)
  return Buffer.concat([head, body, optionBytes, tail])
}

function option(code: number, value: string | Uint8Array): Buffer {
  // Lengths are 16 bits; a comment that long helps nobody.
  const bytes = Buffer.from(value as string).subarray(0, 0xfff0)
  const encoded = Buffer.alloc(4 + padded(bytes.length))
  encoded.writeUInt16LE(code, 0)
  encoded.writeUInt16LE(bytes.length, 2)
  encoded.set(bytes, 4)
  return encoded
}

const padded = (length: number): number => (length + 3) & ~3
