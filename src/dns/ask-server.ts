import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'

import { decode, encode, type Packet, type RecordType } from 'dns-packet'

import { PodwireError } from '../base/errors/podwire-error.js'

export interface ServerQuestion {
  readonly address: string
  readonly port: number
  readonly name: string
  readonly type: RecordType
}

const recursionDesired = 0x0100
const ednsUdpBytes = 1232

/**
 * Asks one server over UDP, and over TCP when the answer does not fit. Only a message with our id and question, from the address that
 * was asked, counts as its answer. Errors: TIMED_OUT after `timeoutMs`, ABORTED.
 */
export async function askServer(question: ServerQuestion, timeoutMs: number, signal: AbortSignal): Promise<Packet> {
  const reply = await exchange(question, 'udp', timeoutMs, signal)
  return (reply as Packet & { readonly flag_tc?: boolean }).flag_tc ? exchange(question, 'tcp', timeoutMs, signal) : reply
}

async function exchange(question: ServerQuestion, transport: 'udp' | 'tcp', timeoutMs: number, signal: AbortSignal): Promise<Packet> {
  const { address, port, name, type } = question
  const id = randomInt(65_536)
  const message = encode({
    type: 'query',
    id,
    flags: recursionDesired,
    questions: [{ name: name || '.', type, class: 'IN' }],
    additionals: [{ type: 'OPT', name: '.', udpPayloadSize: ednsUdpBytes, flags: 0, options: [] } as never],
  })
  const own = new AbortController()
  const stop = (): void => own.abort()
  const timer = setTimeout(stop, timeoutMs)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  const isOurs = (packet: Packet | undefined): packet is Packet => {
    const echoed = packet?.questions?.[0]
    return packet?.id === id && packet.type === 'response' && (!echoed || echoed.name.toLowerCase() === (name || '.').toLowerCase())
  }
  try {
    return transport === 'udp'
      ? await overUdp(address, port, message, isOurs, own.signal)
      : await overTcp(address, port, message, isOurs, own.signal)
  } catch (error) {
    if (signal.aborted) throw new PodwireError('ABORTED', `asking ${address} was stopped`)
    if (own.signal.aborted)
      throw new PodwireError('TIMED_OUT', `${address}:${port} did not answer ${name} ${type} over ${transport} within ${timeoutMs} ms`)
    throw error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}

type IsOurs = (packet: Packet | undefined) => packet is Packet

async function overUdp(address: string, port: number, message: Buffer, isOurs: IsOurs, signal: AbortSignal): Promise<Packet> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  try {
    socket.connect(port, address)
    await once(socket, 'connect', { signal })
    socket.send(message)
    for (;;) {
      const [bytes] = (await once(socket, 'message', { signal })) as [Buffer]
      const packet = decoded(bytes)
      if (isOurs(packet)) return packet
    }
  } finally {
    socket.close()
  }
}

async function overTcp(address: string, port: number, message: Buffer, isOurs: IsOurs, signal: AbortSignal): Promise<Packet> {
  const socket = connect({ host: address, port, signal })
  try {
    await once(socket, 'connect', { signal })
    const prefix = Buffer.alloc(2)
    prefix.writeUInt16BE(message.length)
    socket.write(Buffer.concat([prefix, message]))
    let got: Buffer = Buffer.alloc(0)
    for await (const chunk of socket) {
      got = Buffer.concat([got, chunk])
      if (got.length < 2 || got.length < 2 + got.readUInt16BE(0)) continue
      const packet = decoded(got.subarray(2, 2 + got.readUInt16BE(0)))
      if (isOurs(packet)) return packet
      break
    }
    throw new PodwireError('PACKET_MALFORMED', `${address}:${port} closed the connection without an answer to the question`)
  } finally {
    socket.destroy()
  }
}

function decoded(bytes: Buffer): Packet | undefined {
  try {
    return decode(bytes)
  } catch {
    return undefined
  }
}
