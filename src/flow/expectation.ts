import type { Change, Direction, Headers, OuterHeaders, Port } from '../base/net/path.js'
import type { ConntrackRecord } from '../base/results/run-record.js'

/** Places of this lab: `*` stands for any. */
export interface PlacePattern {
  readonly owner: string
  readonly port: Port | '*'
  readonly pod?: string
}

/** Headers as they must be; what is absent may be anything. */
export interface ExpectedHeaders extends Omit<Headers, 'outer'> {
  readonly outer?: Partial<OuterHeaders>
}

/** One hop as it must be, all aliases replaced by this lab's values. */
export interface ExpectedHop {
  /** The place in roles, as people read it: `client.node:vxlan`. */
  readonly at: string
  readonly place: PlacePattern
  readonly dir: Direction | undefined
  readonly see: ExpectedHeaders
  /** Undefined: nothing is said about what changed. */
  readonly changed: { readonly must: readonly Change[]; readonly may: readonly Change[] } | undefined
  readonly why: string | undefined
  /** True: it may be missing; the next hop is compared with the one before it. */
  readonly isOptional: boolean
  /** `file:line:column` of the assertion, or the preset it comes from. */
  readonly where: string
}

export type ExpectedPath = readonly (ExpectedHop | '...')[]

export interface ExpectedLeg {
  readonly name: string
  /** Which of the flow's exchanges it speaks of, from 0. */
  readonly exchange: number
  readonly path: ExpectedPath | undefined
  readonly reply: ExpectedPath | undefined
  /** True: no place may see the packet that is not named. */
  readonly isStrict: boolean
}

export interface ForbiddenHop {
  readonly at: string
  readonly place: PlacePattern
  readonly dir: Direction | undefined
  readonly see: ExpectedHeaders
  readonly why: string
  readonly where: string
}

export interface ExpectedConntrack {
  readonly on: string
  readonly orig: Partial<ConntrackRecord['orig']>
  readonly reply: Partial<ConntrackRecord['reply']>
  readonly state: string | undefined
  readonly nat: readonly ('snat' | 'dnat')[] | undefined
  readonly where: string
}

/** All that one flow must fulfil. */
export interface Expectation {
  readonly legs: readonly ExpectedLeg[]
  readonly never: readonly ForbiddenHop[]
  readonly conntrack: readonly ExpectedConntrack[]
}
