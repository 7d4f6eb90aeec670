import type { Change, Headers } from '../base/net/path.js'
import type { ExpectedHeaders, ExpectedHop, ExpectedPath, PlacePattern } from './expectation.js'
import type { Sighting } from './trace.js'

export interface Mismatch {
  readonly message: string
  /** The nearest packet really seen. */
  readonly nearest: Sighting | undefined
  readonly expected: ExpectedHop | undefined
  /** The packet was there, but the capture does not show what the assertion names. */
  readonly isUnknown: boolean
}

/** How a path was found again in what was seen. */
export interface PathMatch {
  /** Each expected hop with the sighting that it is; undefined for a missing one. */
  readonly pairs: readonly { readonly expected: ExpectedHop; readonly seen: Sighting | undefined }[]
  /** The first divergence, and all values that could not be told. */
  readonly mismatches: readonly Mismatch[]
}

/**
 * Walks along the seen hops and the expected ones. After the first divergence the rest is matched by place only, for the picture.
 * Between two expected hops the veth and bridge ends of a node may be left out, unless `isStrict`; `"..."` allows anything.
 */
export function matchPath(expected: ExpectedPath, seen: readonly Sighting[], isStrict: boolean): PathMatch {
  const pairs: { expected: ExpectedHop; seen: Sighting | undefined }[] = []
  const mismatches: Mismatch[] = []
  let at = 0
  let isGap = false
  let before: Sighting | undefined
  const diverged = (): boolean => mismatches.some(({ isUnknown }) => !isUnknown)
  const report = (message: string, rest: Partial<Mismatch>): void => {
    if (!diverged()) mismatches.push({ message, nearest: undefined, expected: undefined, isUnknown: false, ...rest })
  }
  for (const hop of expected) {
    if (hop === '...') {
      isGap = true
      continue
    }
    const index = findHop(hop, seen, at, isGap ? before : undefined)
    const found = index === undefined ? undefined : seen[index]
    if (found === undefined || index === undefined) {
      if (hop.isOptional) continue
      pairs.push({ expected: hop, seen: undefined })
      const last = seen.at(-1)
      report(
        `${placeText(hop)}: the packet did not come by here${last ? `; it was last seen at ${sightingText(last)}` : '; it was seen nowhere'}`,
        {
          expected: hop,
          nearest: last,
        },
      )
      continue
    }
    const stranger = seen.slice(at, index).find(skipped => isStrict || (!isGap && !isPlumbing(skipped)))
    if (stranger !== undefined) {
      if (hop.isOptional) continue
      report(`before ${placeText(hop)} the packet came by ${sightingText(stranger)}, where it is not expected`, {
        nearest: stranger,
        expected: hop,
      })
    }
    pairs.push({ expected: hop, seen: found })
    const differences = [...compareHeaders(hop.see, found.headers), ...compareChanges(hop, before?.headers, found.headers)]
    for (const { text, isUnknown } of differences) {
      if (isUnknown) mismatches.push({ message: `${placeText(hop)}: ${text}`, nearest: found, expected: hop, isUnknown })
    }
    const wrong = differences.filter(({ isUnknown }) => !isUnknown)
    if (wrong.length > 0) report(`${placeText(hop)}: ${wrong.map(({ text }) => text).join(', ')}`, { nearest: found, expected: hop })
    at = index + 1
    isGap = false
    if (!hop.isOptional) before = found
  }
  const stranger = seen.slice(at).find(rest => isStrict || (!isGap && !isPlumbing(rest)))
  if (stranger !== undefined)
    report(`after its end the packet also came by ${sightingText(stranger)}, where it is not expected`, {
      nearest: stranger,
      expected: lastHop(expected),
    })
  return { pairs, mismatches }
}

const lastHop = (expected: ExpectedPath): ExpectedHop | undefined => expected.findLast((hop): hop is ExpectedHop => hop !== '...')

/** The next sighting at the hop's place; after a gap rather one that also has the headers. An optional hop must be the very next. */
function findHop(hop: ExpectedHop, seen: readonly Sighting[], from: number, gapStart: Sighting | undefined): number | undefined {
  const indexes = seen.flatMap((sighting, index) => (index >= from && isAt(sighting, hop.place) && isDir(sighting, hop) ? [index] : []))
  if (hop.isOptional) return indexes[0] === from ? from : undefined
  const fitting = indexes.find(
    index =>
      compareHeaders(hop.see, seen[index]!.headers).length === 0 &&
      compareChanges(hop, gapStart?.headers, seen[index]!.headers).length === 0,
  )
  return fitting ?? indexes[0]
}

const isDir = ({ dir }: Sighting, expected: { readonly dir: ExpectedHop['dir'] }): boolean =>
  expected.dir === undefined || expected.dir === dir

/** Whether the sighting is at a place of the pattern. */
export function isAt({ place, owner }: Sighting, pattern: PlacePattern): boolean {
  if (pattern.owner !== '*' && pattern.owner !== owner) return false
  if (pattern.port !== '*' && pattern.port !== place?.port) return false
  return pattern.pod === undefined || pattern.pod === place?.pod
}

/** The inner ends of a node, which a path need not name. */
const isPlumbing = ({ place }: Sighting): boolean => place?.port === 'veth' || place?.port === 'bridge'

interface Difference {
  readonly text: string
  readonly isUnknown: boolean
}

/** What differs between headers as they must be and as they are. */
export function compareHeaders(expected: ExpectedHeaders, seen: Headers): readonly Difference[] {
  const { outer, ...rest } = expected
  const differences = compareFields(rest, seen)
  if (outer === undefined) return differences
  if (seen.outer === undefined) return [...differences, { text: 'it has no outer header', isUnknown: false }]
  return [...differences, ...compareFields(outer, seen.outer).map(({ text, isUnknown }) => ({ text: `outer ${text}`, isUnknown }))]
}

function compareFields(expected: object, seen: object): readonly Difference[] {
  const values = seen as Readonly<Record<string, unknown>>
  return Object.entries(expected).flatMap(([key, value]): Difference[] => {
    const actual = values[key]
    if (value === undefined || String(value).toLowerCase() === String(actual).toLowerCase()) return []
    if (actual === undefined && key.startsWith('eth')) {
      return [{ text: `the capture does not show ${key}`, isUnknown: true }]
    }
    return [{ text: actual === undefined ? `it has no ${key}` : `${key} is ${actual}, not ${value}`, isUnknown: false }]
  })
}

/** Everything not listed must be equal to the hop before. */
function compareChanges({ changed }: ExpectedHop, before: Headers | undefined, now: Headers): readonly Difference[] {
  if (changed === undefined || before === undefined) return []
  const actual = changesBetween(before, now)
  const missing = changed.must.filter(change => !actual.includes(change) && !(change === 'mac' && !isMacKnown(before, now)))
  const surplus = actual.filter(change => !changed.must.includes(change) && !changed.may.includes(change))
  return [
    ...missing.map(change => ({ text: `${change} did not change`, isUnknown: false })),
    ...surplus.map(change => ({ text: `${change} changed${changeText(change, before, now)}`, isUnknown: false })),
  ]
}

/** Whether both Ethernet addresses are known on both sides; else a change of MAC cannot be ruled out. */
const isMacKnown = (before: Headers, now: Headers): boolean =>
  [before.ethSrc, before.ethDst, now.ethSrc, now.ethDst].every(mac => mac !== undefined)

const scalar = ['src', 'dst', 'sport', 'dport', 'ttl'] as const

/** What differs between two hops of one packet. */
export function changesBetween(before: Headers, now: Headers): readonly Change[] {
  const changes: Change[] = scalar.filter(key => before[key] !== now[key])
  const macDiffers = (['ethSrc', 'ethDst'] as const).some(
    key => before[key] !== undefined && now[key] !== undefined && before[key] !== now[key],
  )
  if (macDiffers) changes.push('mac')
  if (before.outer === undefined && now.outer !== undefined) changes.push('encap')
  if (before.outer !== undefined && now.outer === undefined) changes.push('decap')
  return changes
}

const changeText = (change: Change, before: Headers, now: Headers): string =>
  change === 'mac'
    ? ` from ${before.ethSrc} to ${now.ethSrc}`
    : change === 'encap' || change === 'decap'
      ? ''
      : ` from ${before[change]} to ${now[change]}`

const placeText = ({ at, dir }: ExpectedHop): string => (dir === undefined ? at : `${at} ${dir}`)
const sightingText = ({ owner, interface: name, dir }: Sighting): string => `${owner}/${name} ${dir}`
