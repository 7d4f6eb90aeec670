import { type Cidr, cidrParts, type Ip, type IpFamily, ipFromBytes, ipToNumber, parseInterfaceAddress } from '../base/net/address.js'

/** Addresses of one family from `first` to `last`, both included. */
interface Span {
  readonly first: bigint
  readonly last: bigint
}

/** A range with parts that are not meant. */
export interface RangeWithout {
  readonly cidr: string
  readonly except?: readonly string[]
}

const bitsOf = (family: IpFamily): number => (family === 4 ? 32 : 128)

/** The addresses of all ranges without what each leaves out, as the fewest ranges that do not overlap, in order, IPv4 first. */
export function disjointRanges(ranges: readonly RangeWithout[]): readonly Cidr[] {
  return ([4, 6] as const).flatMap(family => {
    const spans = ranges.flatMap(({ cidr, except = [] }) => {
      const whole = spanOf(cidr, family)
      if (whole === undefined) return []
      return except.flatMap(range => spanOf(range, family) ?? []).reduce<readonly Span[]>(without, [whole])
    })
    return united(spans).flatMap(span => cidrsOf(span, family))
  })
}

/** Upstream takes ranges with host bits set. Undefined for a range of the other family. */
function spanOf(text: string, family: IpFamily): Span | undefined {
  const { base, prefix, family: own } = cidrParts(parseInterfaceAddress(text).cidr)
  if (own !== family) return undefined
  const first = ipToNumber(base)
  return { first, last: first + (1n << BigInt(bitsOf(family) - prefix)) - 1n }
}

const without = (spans: readonly Span[], hole: Span): readonly Span[] =>
  spans.flatMap(({ first, last }) => [
    ...(first < hole.first ? [{ first, last: last < hole.first ? last : hole.first - 1n }] : []),
    ...(last > hole.last ? [{ first: first > hole.last ? first : hole.last + 1n, last }] : []),
  ])

function united(spans: readonly Span[]): readonly Span[] {
  const all: Span[] = []
  for (const span of spans.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const before = all.at(-1)
    if (before === undefined || span.first > before.last + 1n) all.push(span)
    else if (span.last > before.last) all[all.length - 1] = { first: before.first, last: span.last }
  }
  return all
}

function cidrsOf({ first, last }: Span, family: IpFamily): readonly Cidr[] {
  const bits = bitsOf(family)
  const found: Cidr[] = []
  for (let at = first; at <= last; ) {
    let hostBits = 0
    while (hostBits < bits && at % (1n << BigInt(hostBits + 1)) === 0n && at + (1n << BigInt(hostBits + 1)) - 1n <= last) hostBits++
    found.push(`${textOf(at, family)}/${bits - hostBits}` as Cidr)
    at += 1n << BigInt(hostBits)
  }
  return found
}

function textOf(number: bigint, family: IpFamily): Ip {
  const length = bitsOf(family) / 8
  return ipFromBytes(Uint8Array.from({ length }, (_, i) => Number((number >> BigInt(8 * (length - 1 - i))) & 0xffn)))
}
