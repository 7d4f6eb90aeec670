import { PodwireError } from '../errors/podwire-error.js'

/** One frame of a libpcap stream. */
export interface CapturedFrame {
  /** Nanoseconds since the epoch. */
  readonly timeNs: bigint
  /** Length on the wire; more than `bytes.length` when the capture cut the frame. */
  readonly originalLength: number
  /** The frame as captured; a view that stays valid. */
  readonly bytes: Uint8Array
}

/** Larger records are taken for garbage: libpcap itself never captures more than 256 KiB of a frame. */
const maxRecordLength = 256 * 1024

const microseconds = 0xa1b2c3d4
const nanoseconds = 0xa1b23c4d

/**
 * Reads the stream that `tcpdump -w -` writes (libpcap's file format, either byte order, micro- or nanoseconds), piece by piece.
 * Errors: PACKET_MALFORMED when the bytes are no such stream; nothing can be read after it.
 */
export class PcapStream {
  #pending = new Uint8Array(0)
  #second = { number: 0, ns: 0n }
  #header: { readonly littleEndian: boolean; readonly nsPerUnit: number; readonly linkType: number } | undefined

  /** The link type of all frames (LINKTYPE_*), known once the 24 bytes of the file header came. */
  get linkType(): number | undefined {
    return this.#header?.linkType
  }

  /** Takes the next bytes and returns the frames they complete. */
  push(chunk: Uint8Array): CapturedFrame[] {
    const bytes = this.#pending.length === 0 ? chunk : concatenated(this.#pending, chunk)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let offset = 0
    if (this.#header === undefined) {
      if (bytes.length < 24) return this.#keep(bytes, 0)
      this.#header = parseFileHeader(view)
      offset = 24
    }
    const { littleEndian, nsPerUnit } = this.#header
    const frames: CapturedFrame[] = []
    while (offset + 16 <= bytes.length) {
      const capturedLength = view.getUint32(offset + 8, littleEndian)
      if (capturedLength > maxRecordLength) {
        throw new PodwireError('PACKET_MALFORMED', `pcap stream: a record claims ${capturedLength} bytes; the stream has lost its way`)
      }
      if (offset + 16 + capturedLength > bytes.length) break
      frames.push({
        timeNs: this.#startOf(view.getUint32(offset, littleEndian)) + BigInt(view.getUint32(offset + 4, littleEndian) * nsPerUnit),
        originalLength: view.getUint32(offset + 12, littleEndian),
        bytes: bytes.subarray(offset + 16, offset + 16 + capturedLength),
      })
      offset += 16 + capturedLength
    }
    this.#keep(bytes, offset)
    return frames
  }

  /** Call when the stream has ended: PACKET_MALFORMED when it ended inside a record or before its header. */
  end(): void {
    if (this.#header === undefined) throw new PodwireError('PACKET_MALFORMED', 'pcap stream: ended before its header')
    if (this.#pending.length > 0) {
      throw new PodwireError('PACKET_MALFORMED', `pcap stream: ended inside a record, ${this.#pending.length} bytes are left over`)
    }
  }

  /** The second, in nanoseconds; frames of one second follow each other. */
  #startOf(second: number): bigint {
    if (second !== this.#second.number) this.#second = { number: second, ns: BigInt(second) * 1_000_000_000n }
    return this.#second.ns
  }

  #keep(bytes: Uint8Array, from: number): [] {
    // A copy, so that a short rest does not hold a large chunk in memory.
    this.#pending = bytes.slice(from)
    return []
  }
}

function parseFileHeader(view: DataView): { littleEndian: boolean; nsPerUnit: number; linkType: number } {
  for (const littleEndian of [true, false]) {
    const magic = view.getUint32(0, littleEndian)
    if (magic !== microseconds && magic !== nanoseconds) continue
    const linkType = view.getUint32(20, littleEndian) & 0xffff
    return { littleEndian, nsPerUnit: magic === nanoseconds ? 1 : 1000, linkType }
  }
  throw new PodwireError('PACKET_MALFORMED', `pcap stream: begins with ${view.getUint32(0).toString(16)}, which is no pcap header`)
}

function concatenated(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
