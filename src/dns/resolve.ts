import type { Answer, RecordType } from 'dns-packet'

/** One question, as it came over the wire. */
export interface Query {
  /** As asked, case kept, without the trailing dot; empty for the root. */
  readonly name: string
  readonly type: RecordType
  readonly transport: 'udp' | 'tcp'
  /** The address of who asks; absent when the question did not come over the network. */
  readonly client?: string
}

/** RFC 1035, section 4.1.1, and RFC 2136 for REFUSED's neighbours. */
export const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const
export type Rcode = keyof typeof rcodes

export interface Reply {
  readonly rcode: Rcode
  readonly isAuthoritative: boolean
  readonly answers: readonly Answer[]
  /** The SOA of the zone under a negative answer (RFC 2308, section 2). */
  readonly authorities: readonly Answer[]
  readonly additionals: readonly Answer[]
}

export type Resolve = (query: Query) => Promise<Reply>

/** One handler of the chain: answers itself, or asks `next`. */
export type Plugin = (next: Resolve) => Resolve

/** Links the plugins, first one outermost; `last` answers what nobody else did. */
export function chain(plugins: readonly Plugin[], last: Resolve): Resolve {
  return plugins.reduceRight((next, plugin) => plugin(next), last)
}

/** A reply without records. */
export function emptyReply(rcode: Rcode): Reply {
  return { rcode, isAuthoritative: false, answers: [], authorities: [], additionals: [] }
}

/** The end of the chain: names outside our zones are not ours to answer, and nothing is forwarded. */
export const refuse: Resolve = () => Promise.resolve(emptyReply('REFUSED'))
