import { AUTHORITATIVE_ANSWER, decode, encode, type OptAnswer, type Packet, TRUNCATED_RESPONSE } from 'dns-packet'

import { emptyReply, type Query, type Rcode, type Reply, type Resolve, rcodes } from './resolve.js'

/** Without EDNS0 a UDP answer has at most this many bytes (RFC 1035, section 4.2.1). */
const plainUdpBytes = 512
/** What we say we can take, and the most we send over UDP: the largest payload that crosses any IPv6 path whole (RFC 9715). */
const ednsUdpBytes = 1232
const responseBit = 0x8000
const opcodeMask = 0x7800
const recursionDesired = 0x0100

/**
 * Answers one message: bytes to bytes. Undefined when nothing may be sent back: too short to have an id, or itself a response.
 * Malformed questions get FORMERR, other opcodes NOTIMP, transfers REFUSED.
 */
export async function answerMessage(message: Uint8Array, transport: 'udp' | 'tcp', resolve: Resolve): Promise<Uint8Array | undefined> {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  if (bytes.length < 12) return undefined
  const id = bytes.readUInt16BE(0)
  const flags = bytes.readUInt16BE(2)
  if (flags & responseBit) return undefined
  if (flags & opcodeMask) return bareReply(id, flags, 'NOTIMP')

  let packet: Packet
  try {
    packet = decode(bytes)
  } catch {
    return bareReply(id, flags, 'FORMERR')
  }
  const question = packet.questions?.[0]
  if (packet.questions?.length !== 1 || question === undefined) return bareReply(id, flags, 'FORMERR')
  // The decoder reads names as UTF-8: other bytes are lost, so the question cannot be repeated in an answer.
  if (question.name.includes('\ufffd')) return bareReply(id, flags, 'REFUSED')
  const options = packet.additionals?.find((record): record is OptAnswer => record.type === 'OPT')

  const query: Query = { name: question.name === '.' ? '' : question.name, type: question.type, transport }
  const isAnswerable = (question.class ?? 'IN') === 'IN' && question.type !== 'AXFR' && question.type !== 'IXFR'
  const reply = isAnswerable ? await resolve(query) : emptyReply('REFUSED')
  const limit = transport === 'tcp' ? 65_535 : Math.min(Math.max(options?.udpPayloadSize ?? plainUdpBytes, plainUdpBytes), ednsUdpBytes)

  const render = (content: Reply, extraFlags: number): Uint8Array =>
    encode({
      type: 'response',
      id,
      flags: (flags & recursionDesired) | (content.isAuthoritative ? AUTHORITATIVE_ANSWER : 0) | rcodes[content.rcode] | extraFlags,
      questions: [question],
      answers: [...content.answers],
      authorities: [...content.authorities],
      additionals: [
        ...content.additionals,
        ...(options ? [{ type: 'OPT', name: '.', udpPayloadSize: ednsUdpBytes, flags: 0, options: [] } as unknown as OptAnswer] : []),
      ],
    })

  const whole = render(reply, 0)
  if (whole.length <= limit) return whole
  const lean = render({ ...reply, additionals: [] }, 0) // Additional records are optional (RFC 2181, section 9).
  if (lean.length <= limit) return lean
  return render({ ...reply, answers: [], authorities: [], additionals: [] }, TRUNCATED_RESPONSE)
}

function bareReply(id: number, flags: number, rcode: Rcode): Uint8Array {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(responseBit | (flags & (opcodeMask | recursionDesired)) | rcodes[rcode], 2)
  return header
}
