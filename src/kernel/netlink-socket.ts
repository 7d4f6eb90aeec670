import { PodwireError } from '../base/errors/podwire-error.js'
import { decodeAttributes, decodeMessages, encodeRequest, nlm, nlmsg, type Request, readText } from './netlink-messages.js'
import { withNetns } from './netns.js'
import { errnoName, kernelRefused, retryInterrupted, syscalls } from './syscalls.js'

const AF_NETLINK = 16
const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_RCVTIMEO = 20
const SOL_NETLINK = 270
const [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK] = [10, 11, 12]
const MSG_TRUNC = 0x20
/** include/uapi/linux/sockios.h: a descriptor of the socket's network namespace. */
const SIOCGSKNS = 0x894c
const NLMSGERR_ATTR_MSG = 1
const headerLength = 16

/** The kernel answers within the call; this bounds the wait should it not. */
const receiveTimeoutS = 5
/** The kernel fills dumps up to 32 KiB a message block. */
const receiveBytes = 1 << 16
/** A dump that others' changes interrupted is begun anew this often. */
const dumpAttempts = 10

/** A netlink socket for requests and answers: one request under way at a time. */
export interface NetlinkSocket {
  /** Sends one request and waits for its ACK; KERNEL_REFUSED with the extended ACK's text. */
  request(operation: string, request: Request): void
  /** The same while this thread goes on, on a socket of its own in the same network namespace. */
  requestInPool(operation: string, request: Request): Promise<void>
  /** Asks for one object: its message's payload. KERNEL_REFUSED as for `request`. */
  get(operation: string, request: Request): Buffer
  /** Asks for all objects of a kind and returns their messages' payloads; consistent even when others change things meanwhile. */
  dump(operation: string, request: Request): readonly { readonly type: number; readonly data: Buffer }[]
  close(): void
}

/** Opens a socket of a netlink protocol (NETLINK_ROUTE is 0) in the network namespace this thread is in. */
export function openNetlinkSocket(protocol: number): NetlinkSocket {
  const fd = openDescriptor(protocol)
  const { send, receive, awaitAck } = conversation(fd)

  function dumpOnce(operation: string, request: Request) {
    send(operation, { ...request, flags: nlm.dump })
    const found: { readonly type: number; readonly data: Buffer }[] = []
    let interrupted = false
    for (;;) {
      for (const message of receive(operation)) {
        if ((message.flags & nlm.dumpInterrupted) !== 0) interrupted = true
        if (message.type === nlmsg.error || message.type === nlmsg.done) {
          check(operation, message)
          return { found, interrupted }
        }
        found.push(message)
      }
    }
  }

  return {
    request(operation, request) {
      send(operation, { ...request, flags: request.flags | nlm.ack })
      awaitAck(operation)
    },
    requestInPool: (operation, request) => requestInPool(openTwin(fd, protocol), operation, request),
    get(operation, request) {
      send(operation, { ...request, flags: request.flags | nlm.ack })
      let found: Buffer | undefined
      for (;;) {
        for (const message of receive(operation)) {
          if (message.type !== nlmsg.error) found = message.data
          else {
            check(operation, message)
            if (found === undefined) throw new PodwireError('INTERNAL', `${operation}: the kernel answered nothing`)
            return found
          }
        }
      }
    },
    dump(operation, request) {
      for (let attempt = 1; ; attempt++) {
        const { found, interrupted } = dumpOnce(operation, request)
        if (!interrupted) return found
        if (attempt === dumpAttempts) throw new PodwireError('TIMED_OUT', `${operation}: changed during each of ${dumpAttempts} listings`)
      }
    },
    close: () => void syscalls.close(fd),
  }
}

function openDescriptor(protocol: number): number {
  const fd = retryInterrupted('open a netlink socket', () => syscalls.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol))
  const option = (level: number, name: number, value: Buffer): void => {
    retryInterrupted(`set netlink socket option ${name}`, () => syscalls.setsockopt(fd, level, name, value, value.length))
  }
  const on = Buffer.from([1, 0, 0, 0])
  const timeout = Buffer.alloc(16)
  timeout.writeBigInt64LE(BigInt(receiveTimeoutS))
  for (const name of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) option(SOL_NETLINK, name, on)
  option(SOL_SOCKET, SO_RCVTIMEO, timeout)
  return fd
}

/** Another socket in the network namespace of `fd`, wherever this thread is. */
function openTwin(fd: number, protocol: number): number {
  const netns = retryInterrupted("find a netlink socket's namespace", () => syscalls.ioctl(fd, SIOCGSKNS, Buffer.alloc(0)))
  try {
    return withNetns(`/proc/self/fd/${netns}`, () => openDescriptor(protocol))
  } finally {
    syscalls.close(netns)
  }
}

/** Closes `fd` at the end. */
async function requestInPool(fd: number, operation: string, request: Request): Promise<void> {
  const { encode, awaitAck } = conversation(fd)
  const bytes = encode({ ...request, flags: request.flags | nlm.ack })
  try {
    const sent = await new Promise<number>((resolve, reject) => {
      syscalls.sendtoAsync(fd, bytes, bytes.length, 0, null, 0, (error, result) => (error ? reject(error) : resolve(result)))
    })
    // The errno of another thread cannot be asked for; what the kernel thinks of the request itself is in its answer.
    if (sent !== bytes.length) throw kernelRefused(operation, 'EIO')
    awaitAck(operation)
  } finally {
    syscalls.close(fd)
  }
}

/** Requests and what answers them, by sequence numbers. */
function conversation(fd: number) {
  const buffer = Buffer.alloc(receiveBytes)
  let seq = 0

  const encode = (request: Request): Buffer => encodeRequest(request, ++seq)

  function send(operation: string, request: Request): void {
    const bytes = encode(request)
    retryInterrupted(operation, () => syscalls.sendto(fd, bytes, bytes.length, 0, null, 0))
  }

  /** The messages of the next datagram that answer the last request; a copy, since the buffer is used again. */
  function receive(operation: string) {
    const length = retryInterrupted(operation, () => syscalls.recv(fd, buffer, buffer.length, MSG_TRUNC))
    if (length > buffer.length) throw new PodwireError('INTERNAL', `${operation}: the kernel answered with ${length} bytes at once`)
    return decodeMessages(Buffer.from(buffer.subarray(0, length))).filter(message => message.seq === seq)
  }

  function awaitAck(operation: string): void {
    for (;;) {
      const ack = receive(operation).find(({ type }) => type === nlmsg.error)
      if (ack === undefined) continue
      check(operation, ack)
      return
    }
  }

  return { encode, send, receive, awaitAck }
}

/** Throws unless the NLMSG_ERROR or NLMSG_DONE says 0. A DONE carries the errno of the dump in the same place. */
function check(operation: string, { flags, data, type }: { flags: number; data: Buffer; type: number }): void {
  const errno = data.length >= 4 ? data.readInt32LE(0) : 0
  if (errno === 0) return
  const tlvs = (flags & nlm.ackTlvs) === 0 ? undefined : decodeAttributes(data, type === nlmsg.done ? 4 : 4 + ackedBytes(flags, data))
  throw kernelRefused(operation, errnoName(-errno), readText(tlvs?.get(NLMSGERR_ATTR_MSG)))
}

/** An ACK repeats the request's header, and the whole request unless capped. */
const ackedBytes = (flags: number, data: Buffer): number => ((flags & nlm.capped) === 0 ? (data.readUInt32LE(4) + 3) & ~3 : headerLength)
