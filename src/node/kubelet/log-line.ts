/** One entry of a container's log as CRI runtimes write it: `<time> <stdout|stderr> <P|F>[:tags] <text>`. */
export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly timeMs: number
  /** RFC 3339 with nine digits of the second, as clients print it. */
  readonly time: string
  readonly stream: 'stdout' | 'stderr'
  /** False for a piece of a line that was too long, or not ended yet. */
  readonly isWhole: boolean
  readonly text: Buffer
}

const space = 0x20

/** An entry without its newline; undefined for bytes that are none, as a torn write leaves them. */
export function parseLogLine(line: Buffer): LogLine | undefined {
  const first = line.indexOf(space)
  const second = line.indexOf(space, first + 1)
  if (first <= 0 || second < 0) return undefined
  const third = line.indexOf(space, second + 1)
  const stream = line.toString('latin1', first + 1, second)
  const tags = line.toString('latin1', second + 1, third < 0 ? line.length : third)
  const time = fixedTime(line.toString('latin1', 0, first))
  const tag = tags.split(':')[0]
  if (!time || (stream !== 'stdout' && stream !== 'stderr') || (tag !== 'P' && tag !== 'F')) return undefined
  const text = third < 0 ? line.subarray(line.length) : line.subarray(third + 1)
  return { ...time, stream, isWhole: tag === 'F', text }
}

/** Go leaves zeros at the end of the second away; readers expect a fixed width. */
function fixedTime(text: string): { readonly timeMs: number; readonly time: string } | undefined {
  const [, seconds, fraction = '', zone] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? []
  if (seconds === undefined || zone === undefined) return undefined
  const timeMs = Date.parse(`${seconds}.${fraction.slice(0, 3).padEnd(3, '0')}${zone}`)
  return Number.isNaN(timeMs) ? undefined : { timeMs, time: `${seconds}.${fraction.padEnd(9, '0')}${zone}` }
}
