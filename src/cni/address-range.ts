import { z } from 'zod'

import { type Cidr, cidrContains, cidrParts, cidrSize, type Ip, indexInCidr, nthAddress, parseCidr, parseIp } from '../base/net/address.js'

/** Addresses that Pods may have: those of a subnet from number `first` to number `last`, without the gateway. */
export interface AddressRange {
  readonly subnet: Cidr
  /** Places after the subnet's own address. */
  readonly first: bigint
  readonly last: bigint
  /** The node's own address towards these Pods. */
  readonly gateway: Ip
}

/** Ranges of one family that are as good as one: every Pod gets one address from each set. */
export type RangeSet = readonly [AddressRange, ...AddressRange[]]

/** The range of a whole subnet: without its network and (IPv4) broadcast address, the first address being the gateway. */
export function wholeRange(subnet: Cidr): AddressRange {
  return { subnet, first: 1n, last: lastIndex(subnet), gateway: nthAddress(subnet, 1) }
}

const lastIndex = (subnet: Cidr): bigint => cidrSize(subnet) - (cidrParts(subnet).family === 4 ? 2n : 1n)

/** The range of the set whose Pods may have `address`; undefined for the gateway and for all outside. */
export function rangeOf(set: RangeSet, address: Ip): AddressRange | undefined {
  return set.find(range => address !== range.gateway && indexIn(range, address) !== undefined)
}

/** How many addresses of the range Pods may have. */
export const sizeOfRange = (range: AddressRange): bigint => countOf(range) - (indexIn(range, range.gateway) === undefined ? 0n : 1n)

/** Every address of the set once, beginning behind `latest` (or at the first), lazily: an IPv6 range is too long for a list. */
export function* addressesAfter(set: RangeSet, latest: Ip | undefined): Generator<{ readonly range: AddressRange; readonly address: Ip }> {
  const counts = set.map(countOf)
  const total = counts.reduce((sum, count) => sum + count, 0n)
  const start = latest === undefined ? 0n : positionOf(set, latest) + 1n
  for (let i = 0n; i < total; i++) {
    let at = (start + i) % total
    const k = counts.findIndex(count => {
      if (at < count) return true
      at -= count
      return false
    })
    const range = set[k]!
    const address = nthAddress(range.subnet, range.first + at)
    if (address !== range.gateway) yield { range, address }
  }
}

/** How many addresses of the set come before this one; -1 for one that is not of the set. */
function positionOf(set: RangeSet, address: Ip): bigint {
  let before = 0n
  for (const range of set) {
    const index = indexIn(range, address)
    if (index !== undefined) return before + index
    before += countOf(range)
  }
  return -1n
}

const countOf = ({ first, last }: AddressRange): bigint => last - first + 1n

function indexIn({ subnet, first, last }: AddressRange, address: Ip): bigint | undefined {
  const index = indexInCidr(subnet, address)
  return index !== undefined && index >= first && index <= last ? index - first : undefined
}

/** Text as an address or a range of addresses, with our own words for what is wrong. */
const parsed = <T>(parse: (text: string) => T) =>
  z.string().transform((text, context): T => {
    try {
      return parse(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
      return z.NEVER
    }
  })

export const IpText = parsed(parseIp)
export const CidrText = parsed(parseCidr)

const RangeObject = z.object({ subnet: CidrText, rangeStart: IpText.optional(), rangeEnd: IpText.optional(), gateway: IpText.optional() })

const Range = z
  .preprocess(value => (typeof value === 'string' ? { subnet: value } : value), RangeObject)
  .transform((given: z.output<typeof RangeObject>, context) => {
    const { subnet, rangeStart, rangeEnd, gateway } = given
    const refuse = (message: string) => {
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    }
    for (const address of [rangeStart, rangeEnd, gateway]) {
      if (address !== undefined && !cidrContains(subnet, address)) return refuse(`${address} is not in ${subnet}`)
    }
    if (cidrSize(subnet) < 4n) return refuse(`${subnet} has no room for Pods: use a /30 (IPv4), a /126 (IPv6) or larger`)
    const whole = wholeRange(subnet)
    const placeOf = (ip: Ip | undefined): bigint | undefined => (ip === undefined ? undefined : indexInCidr(subnet, ip))
    const [first, last] = [placeOf(rangeStart) ?? whole.first, placeOf(rangeEnd) ?? whole.last]
    const range = { subnet, first, last, gateway: gateway ?? whole.gateway }
    const name = () => `${nthAddress(subnet, first)} to ${nthAddress(subnet, last)}`
    if (first < whole.first || last > whole.last) return refuse(`${name()} holds an address of ${subnet} that no Pod may have`)
    if (sizeOfRange(range) < 1n || first > last) return refuse(`${name()} has no address for a Pod`)
    return range
  })

/** A set as configurations write it: `"10.244.1.0/24"`, or a list of such texts and of `{subnet, rangeStart, rangeEnd, gateway}`. */
export const RangeSetText = z
  .preprocess(value => (Array.isArray(value) ? value : [value]), z.array(Range).min(1))
  .transform(([first, ...others], context): RangeSet => {
    const ranges = first === undefined ? [] : [first, ...others]
    if (new Set(ranges.map(({ subnet }) => cidrParts(subnet).family)).size > 1) {
      context.addIssue({ code: 'custom', message: 'the ranges of one set are of one family; write a set for each' })
      return z.NEVER
    }
    return first === undefined ? z.NEVER : [first, ...others]
  })
