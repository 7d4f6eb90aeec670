import type { FlowRecord, LadderStep } from '../base/results/run-record.js'

/** A vertical line of the ladder: one interface of one owner. */
export interface Lane {
  readonly key: string
  readonly x: number
  /** `eth0`. */
  readonly title: string
  /** The role that owns it: `client`, `server.node`. */
  readonly role: string
  /** Who it really is: `shop/web-1 eth0`. */
  readonly tooltip: string
  readonly isPod: boolean
}

/** A box around the lanes of one host. */
export interface HostBox {
  readonly name: string
  readonly x: number
  readonly width: number
  readonly lanes: readonly Lane[]
}

/** One label beside a step. */
export interface Chip {
  readonly lines: readonly string[]
  readonly x: number
  /** The middle of its first line. */
  readonly y: number
  readonly width: number
  readonly height: number
  readonly look: 'summary' | 'change' | 'missing' | 'forbidden'
}

/** One step of the ladder: a dot on its lane, an arrow from the dot before. */
export interface Rung {
  readonly step: LadderStep
  readonly x: number
  readonly y: number
  /** The rung before in the same leg; undefined for the first. */
  readonly from: { readonly x: number; readonly y: number; readonly kind: LadderStep['kind'] } | undefined
  readonly chips: readonly Chip[]
}

export interface Leg {
  readonly name: LadderStep['leg']
  readonly top: number
  readonly bottom: number
  readonly rungs: readonly Rung[]
}

/** Where everything of one ladder stands, in SVG user units (1 unit = 1 CSS pixel). */
export interface LadderLayout {
  readonly width: number
  readonly height: number
  readonly laneTop: number
  readonly laneBottom: number
  readonly labelRight: number
  readonly boxes: readonly HostBox[]
  readonly legs: readonly Leg[]
}

/** Sizes the drawing shares with its layout. Monospaced text of 11 px is 6.63 px a character in every common font. */
export const sizes = {
  margin: 12,
  charWidth: 6.63,
  laneGap: 72,
  boxPadding: 8,
  boxGap: 14,
  headHeight: 66,
  legGap: 30,
  rowHeight: 34,
  chipHeight: 19,
  lineHeight: 14,
  chipPadding: 7,
  chipGap: 5,
  /** Between the chips of two steps: more than between those of one. */
  rowGap: 13,
  chipColumn: 380,
} as const

/** Lays a flow out: lanes grouped by host in the order in which packets reached them, time downwards. */
export function layOutLadder({ ladder }: Pick<FlowRecord, 'ladder'>): LadderLayout {
  const labels = ladder.map(({ at, dir }) => `${at} ${dir}`.length)
  const labelRight = sizes.margin + Math.ceil(Math.max(0, ...labels) * sizes.charWidth)
  const boxes = placeBoxes(ladder, labelRight + 18)
  const lanes = new Map(boxes.flatMap(box => box.lanes.map(lane => [lane.key, lane] as const)))
  const chipLeft = Math.max(labelRight, ...boxes.map(({ x, width }) => x + width)) + 16

  const laneTop = sizes.margin + sizes.headHeight
  const places = placeNames(ladder)
  const legs: Leg[] = []
  let y = laneTop + 6
  for (const name of ['path', 'reply'] as const) {
    const steps = ladder.filter(({ leg }) => leg === name)
    if (steps.length === 0) continue
    const top = y
    y += sizes.legGap
    const rungs: Rung[] = []
    for (const step of steps) {
      const chips = placeChips(step, rungs.length === 0, chipLeft, y)
      const before = rungs.at(-1)
      const from = before && { x: before.x, y: before.y, kind: before.step.kind }
      rungs.push({ step, x: lanes.get(places.keyOf(step))?.x ?? labelRight, y, from, chips })
      const chipBottom = Math.max(y, ...chips.map(chip => chip.y - sizes.chipHeight / 2 + chip.height))
      y = Math.max(y + sizes.rowHeight, chipBottom + sizes.rowGap + sizes.chipHeight / 2)
    }
    legs.push({ name, top, bottom: y - 8, rungs })
  }
  return { width: chipLeft + sizes.chipColumn + sizes.margin, height: y + sizes.margin, laneTop, laneBottom: y, labelRight, boxes, legs }
}

interface PlaceNames {
  keyOf(step: LadderStep): string
  hostOf(step: LadderStep): string
}

/** A step that was not seen names only a role; it stands where that role was seen elsewhere in the flow, else in a box of the role's name. */
function placeNames(ladder: readonly LadderStep[]): PlaceNames {
  const seen = ladder.filter(step => step.hop !== undefined)
  const keyOfHop = ({ hop }: LadderStep) => `${hop?.host} ${hop?.owner} ${hop?.interface}`
  const byPlace = new Map(seen.map(step => [step.at, keyOfHop(step)]))
  const hostByRole = new Map(seen.map(step => [roleOf(step.at), step.hop?.host ?? '']))
  const hostOf = (step: LadderStep) => {
    const role = roleOf(step.at)
    return step.hop?.host ?? hostByRole.get(role) ?? hostByRole.get(otherRole(role)) ?? role
  }
  return { keyOf: step => (step.hop ? keyOfHop(step) : (byPlace.get(step.at) ?? `? ${step.at}`)), hostOf }
}

const roleOf = (at: string): string => at.slice(0, Math.max(0, at.lastIndexOf(':'))) || at
/** The node of a Pod's role, and the Pod of a node's: `server` ↔ `server.node`. */
const otherRole = (role: string): string => (role.endsWith('.node') ? role.slice(0, -'.node'.length) : `${role}.node`)

function placeBoxes(ladder: readonly LadderStep[], left: number): readonly HostBox[] {
  const places = placeNames(ladder)
  const hosts = new Map<string, [key: string, step: LadderStep][]>()
  ladder.forEach((step, i) => {
    const host = places.hostOf(step)
    const lanes = hosts.get(host) ?? []
    hosts.set(host, lanes)
    const key = places.keyOf(step)
    if (lanes.some(lane => lane[0] === key)) return
    // Beside the hop before: an answer passes an interface that the question did not between the same two neighbours.
    const before = ladder[i - 1]
    const neighbour = before?.leg === step.leg ? lanes.findIndex(lane => lane[0] === places.keyOf(before)) : -1
    const position = neighbour < 0 ? lanes.length : step.leg === 'path' ? neighbour + 1 : neighbour
    lanes.splice(position, 0, [key, step])
  })
  const boxes: HostBox[] = []
  let x = left
  for (const [name, steps] of hosts) {
    const width = steps.length * sizes.laneGap + 2 * sizes.boxPadding
    const lanes = steps.map(([key, step], i) => laneOf(key, step, x + sizes.boxPadding + (i + 0.5) * sizes.laneGap))
    boxes.push({ name, x, width, lanes })
    x += width + sizes.boxGap
  }
  return boxes
}

function laneOf(key: string, { at, hop }: LadderStep, x: number): Lane {
  const port = at.slice(at.lastIndexOf(':') + 1)
  const role = roleOf(at)
  const tooltip = hop ? `${hop.owner} ${hop.interface} (${at})` : at
  return { key, x, title: hop?.interface ?? port, role, tooltip, isPod: hop ? hop.owner !== hop.host : !role.endsWith('.node') }
}

/** Chips stand in a column of their own and wrap, and so does a text that is longer than the column. */
function placeChips(step: LadderStep, isFirst: boolean, left: number, top: number): readonly Chip[] {
  const chips: Chip[] = []
  let x = left
  let y = top
  let rowHeight = 0
  for (const { text, look } of chipTexts(step, isFirst)) {
    const lines = wrap(text, Math.floor((sizes.chipColumn - 2 * sizes.chipPadding) / sizes.charWidth))
    const width = Math.ceil(Math.max(...lines.map(line => [...line].length)) * sizes.charWidth) + 2 * sizes.chipPadding
    const height = sizes.chipHeight + (lines.length - 1) * sizes.lineHeight
    if (x > left && x + width > left + sizes.chipColumn) {
      x = left
      y += rowHeight + sizes.chipGap
      rowHeight = 0
    }
    chips.push({ lines, look, x, y, width, height })
    rowHeight = Math.max(rowHeight, height)
    x += width + sizes.chipGap
  }
  return chips
}

/** Breaks between words; a single word that is too long is cut. */
function wrap(text: string, limit: number): readonly string[] {
  const lines = ['']
  for (const word of text.split(' ').flatMap(part => cut(part, limit))) {
    const line = lines.at(-1) ?? ''
    if (line === '') lines[lines.length - 1] = word
    else if (line.length + 1 + word.length <= limit) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}

const cut = (word: string, limit: number): readonly string[] =>
  Array.from({ length: Math.max(1, Math.ceil(word.length / limit)) }, (_, i) => word.slice(i * limit, (i + 1) * limit))

interface ChipText {
  readonly text: string
  readonly look: Chip['look']
}

function chipTexts(step: LadderStep, isFirst: boolean): readonly ChipText[] {
  const { kind, hop, expected } = step
  if (kind === 'missing') return [{ text: `not seen${expected ? `: ${expected}` : ''}`, look: 'missing' }]
  if (kind === 'forbidden') return [{ text: `must not be here: ${hop?.summary ?? expected ?? ''}`, look: 'forbidden' }]
  if (!hop) return []
  if (isFirst) return [{ text: hop.summary, look: 'summary' }]
  return hop.changes.map(text => ({ text, look: 'change' }))
}
