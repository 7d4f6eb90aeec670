import { z } from 'zod'

/**
 * What is said to a prober (bin/probe) on its standard input and by it on its output: one JSON object a line, answers in any order.
 * A prober does its work in the network namespace in which it was started.
 */
const Target = {
  address: z.string(),
  port: z.int().min(1).max(65535),
  /** The local port to send from. */
  sourcePort: z.int().min(1).max(65535),
  timeoutMs: z.int().positive(),
}

export const ProbeTask = z.discriminatedUnion('do', [
  /** Puts a UDP datagram with this payload on `lo`. */
  z.strictObject({ do: z.literal('mark'), payload: z.string() }),
  /** The texts of all files in a directory whose names end so; none when there is no such directory. */
  z.strictObject({ do: z.literal('read'), dir: z.string(), suffix: z.string() }),
  /** Connects; with a payload also sends it as a line and waits for one. */
  z.strictObject({ do: z.literal('tcp'), ...Target, payload: z.string().optional() }),
  /** Sends one datagram and waits for one. */
  z.strictObject({ do: z.literal('udp'), ...Target, payload: z.string() }),
  z.strictObject({ do: z.literal('http'), ...Target, path: z.string(), host: z.string(), nonce: z.string() }),
  z.strictObject({ do: z.literal('dns'), ...Target, id: z.int(), name: z.string(), type: z.enum(['A', 'AAAA', 'SRV']) }),
])
export type ProbeTask = z.infer<typeof ProbeTask>

/** How an exchange ended, as its sender saw it. `busy`: the local port was taken, nothing was sent. */
export const ProbeOutcome = z.enum(['delivered', 'refused', 'reset', 'timeout', 'unreachable', 'busy'])
export type ProbeOutcome = z.infer<typeof ProbeOutcome>

export const ProbeResult = z.strictObject({
  outcome: ProbeOutcome,
  /** The local address the kernel chose, where one is known. */
  localAddress: z.string().optional(),
  /** HTTP status. */
  status: z.int().optional(),
  /** The answer's text: HTTP body, line, datagram. */
  body: z.string().optional(),
  /** DNS: the response code and the addresses, or `target:port` of SRV records. */
  rcode: z.string().optional(),
  answers: z.array(z.string()).optional(),
  /** Of `read`: texts by file name. */
  files: z.record(z.string(), z.string()).optional(),
  /** The error's code, as ECONNREFUSED. */
  error: z.string().optional(),
})
export type ProbeResult = z.infer<typeof ProbeResult>

export const ProbeRequest = z.strictObject({ id: z.int(), task: ProbeTask })
export const ProbeAnswer = z.strictObject({ id: z.int(), result: ProbeResult })
