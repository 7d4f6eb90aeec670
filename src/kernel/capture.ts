import { PodwireError } from '../base/errors/podwire-error.js'
import { type CapturedFrame, PcapStream } from '../base/net/pcap-stream.js'
import { withTimeLimit } from '../base/time/time-limit.js'
import type { Host, StartedProcess } from './host.js'

/** One frame at one interface, as the capture of a network namespace saw it. */
export interface InterfaceFrame extends CapturedFrame {
  readonly ifindex: number
  readonly direction: 'in' | 'out'
  /** Place in this capture's order, from 0: of two frames with equal times the lower came first. */
  readonly sequence: number
}

export interface CaptureOptions {
  /** A pcap-filter expression that the kernel applies; frames of proofs of life pass besides. */
  readonly filter: string
  /** Bytes kept of each frame. */
  readonly snapLength?: number
  /** Frames beyond this number are counted as lost. */
  readonly maxFrames?: number
  /** How long a proof of life may take. */
  readonly proofTimeoutMs?: number
  readonly onFrame: (frame: InterfaceFrame) => void
}

export interface CaptureSummary {
  readonly frames: number
  /** Frames that the kernel dropped for want of buffer, and those beyond `maxFrames`. */
  readonly lost: number
}

/** Packets of one network namespace, at all its interfaces, being captured. */
export interface Capture {
  /** Names of the interfaces of the namespace by index; read again when a new index turns up. */
  interfaceName(ifindex: number): string | undefined
  /** Reads the names of the interfaces anew. */
  refreshInterfaces(signal: AbortSignal): Promise<void>
  /**
   * Proves that frames come through now: `send` must put one UDP datagram with this payload on the namespace's `lo`. As a capture keeps the
   * order of frames, all that happened in the namespace before `send` has been delivered when this resolves.
   * Errors: CAPTURE_FAILED when the datagram is not seen in time.
   */
  prove(send: (payload: string) => Promise<void>, signal: AbortSignal): Promise<void>
  stop(): Promise<CaptureSummary>
}

/** Datagrams on lo whose payload begins so are proofs of life; they pass every filter and are not delivered. */
const proofMagic = 'pwAL'
const proofBytes = Buffer.from(proofMagic)
const proofFilter = `(udp and host 127.0.0.1 and udp[8:4] = 0x${proofBytes.toString('hex')})`
const startTimeoutMs = 10_000

/** The cooked v2 header that `-i any` puts before each packet. */
const sll2 = { linkType: 276, headerLength: 20, ifindexOffset: 4, packetTypeOffset: 10, outgoing: 4, udpOverIpv4Payload: 20 + 20 + 8 }

/**
 * The command line of a capture. Never promiscuous (`-p`): with br_netfilter a promiscuous bridge delivers bridged packets a second time, which
 * changes the very flow that is watched. Immediate mode with a small snap length keeps the ring from overflowing.
 */
export function captureArgv(filter: string, snapLength: number): readonly string[] {
  return [
    ...['tcpdump', '-p', '-n', '-i', 'any', '-y', 'LINUX_SLL2', '-s', String(snapLength), '-B', '8192'],
    ...['--immediate-mode', '--time-stamp-precision=nano', '-U', '-w', '-', `(${filter}) or ${proofFilter}`],
  ]
}

/**
 * Starts tcpdump on all interfaces of the host's network namespace; resolves when it listens. It ends when `signal` aborts.
 * Not yet proven alive: call `prove`. Errors: CAPTURE_FAILED with tcpdump's own words, COMMAND_MISSING.
 */
export async function startCapture(host: Host, options: CaptureOptions, signal: AbortSignal): Promise<Capture> {
  const { filter, snapLength = 512, maxFrames = 200_000, proofTimeoutMs = 5_000, onFrame } = options
  const process = host.start(captureArgv(filter, snapLength), { signal })
  const names = new Map<number, string>()
  const proofs = new Map<string, () => void>()
  const stream = new PcapStream()
  let frames = 0
  let beyondLimit = 0
  let failure: PodwireError | undefined
  let words = ''

  const fail = (message: string, cause?: unknown): void => {
    failure ??= new PodwireError('CAPTURE_FAILED', `capture on ${host.name}: ${message}`, cause === undefined ? {} : { cause })
  }
  process.stdout?.on('data', (chunk: Uint8Array) => {
    if (failure) return
    try {
      for (const frame of stream.push(chunk)) take(frame)
    } catch (error) {
      fail('what tcpdump wrote cannot be read', error)
    }
  })
  function take(frame: CapturedFrame): void {
    const { bytes } = frame
    if (stream.linkType !== sll2.linkType || bytes.length < sll2.headerLength) return
    if (isProof(bytes)) {
      proofs.get(Buffer.from(bytes.subarray(sll2.udpOverIpv4Payload)).toString())?.()
      return
    }
    if (frames >= maxFrames) {
      beyondLimit++
      return
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    onFrame({
      ...frame,
      ifindex: view.getUint32(sll2.ifindexOffset),
      direction: bytes[sll2.packetTypeOffset] === sll2.outgoing ? 'out' : 'in',
      sequence: frames++,
    })
  }

  await listening(process, text => {
    words += text
  }).catch((error: unknown) => {
    throw new PodwireError('CAPTURE_FAILED', `capture on ${host.name} did not start: ${words.trim() || String(error)}`, { cause: error })
  })

  const capture: Capture = {
    interfaceName: ifindex => names.get(ifindex),
    async refreshInterfaces(signal) {
      const { stdout } = await host.run(['ip', '-j', 'link'], { signal })
      for (const { ifindex, ifname } of JSON.parse(stdout) as { ifindex: number; ifname: string }[]) names.set(ifindex, ifname)
    },
    async prove(send, signal) {
      const payload = `${proofMagic}${crypto.randomUUID()}`
      const seen = new Promise<void>(resolve => proofs.set(payload, resolve))
      try {
        await send(payload)
        await withTimeLimit({ ms: proofTimeoutMs, signal }, limited => raced(seen, limited))
      } catch (error) {
        if (signal.aborted) throw error
        throw new PodwireError('CAPTURE_FAILED', `capture on ${host.name} is not alive: a packet sent on lo was not seen`, { cause: error })
      } finally {
        proofs.delete(payload)
      }
      if (failure) throw failure
    },
    async stop() {
      await process.stop()
      if (failure) throw failure
      // "12 packets dropped by kernel": the ring was full.
      const dropped = Number(/(\d+) packets? dropped by kernel/.exec(words)?.[1] ?? 0)
      return { frames, lost: dropped + beyondLimit }
    },
  }
  await capture.refreshInterfaces(signal)
  return capture
}

/** tcpdump says so once its socket is bound and its filter set; from then on no packet is missed. */
function listening(process: StartedProcess, onText: (text: string) => void): Promise<void> {
  const { stderr } = process
  if (stderr === undefined) throw new PodwireError('INTERNAL', 'a capture needs the error stream of its process')
  const said = new Promise<void>(resolve => {
    let text = ''
    stderr.on('data', (chunk: Uint8Array) => {
      const piece = Buffer.from(chunk).toString()
      text += piece
      onText(piece)
      if (/listening on/.test(text)) resolve()
    })
  })
  const ended = process.ended.then(status => Promise.reject(new Error(`tcpdump ended with status ${status}`)))
  return withTimeLimit({ ms: startTimeoutMs, signal: undefined }, limited => raced(Promise.race([said, ended]), limited))
}

/** `promise`, or the signal's reason as a rejection. */
function raced<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function isProof(bytes: Uint8Array): boolean {
  return proofBytes.every((byte, i) => bytes[sll2.udpOverIpv4Payload + i] === byte)
}
