/** The fields of a schedule, in order. */
const fields = [
  { name: 'minute', low: 0, high: 59, words: '' },
  { name: 'hour', low: 0, high: 23, words: '' },
  { name: 'day of month', low: 1, high: 31, words: '' },
  { name: 'month', low: 1, high: 12, words: 'jan feb mar apr may jun jul aug sep oct nov dec' },
  { name: 'day of week', low: 0, high: 6, words: 'sun mon tue wed thu fri sat' },
] as const
type Field = (typeof fields)[number]

const descriptors = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'])

/** What is wrong with a CronJob's schedule; an empty list means nothing. */
export function checkSchedule(text: string): string[] {
  const trimmed = text.replace(/^(CRON_)?TZ=\S+\s*/, '').trim()
  if (trimmed.startsWith('@every ')) {
    return /^@every (\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(trimmed) ? [] : [`failed to parse duration ${trimmed}`]
  }
  if (trimmed.startsWith('@')) return descriptors.has(trimmed) ? [] : [`unrecognized descriptor: ${trimmed}`]
  const parts = trimmed.split(/\s+/)
  if (parts.length !== fields.length) return [`expected exactly 5 fields, found ${trimmed === '' ? 0 : parts.length}: [${parts.join(' ')}]`]
  return fields.flatMap((field, i) => parts[i]!.split(',').flatMap(term => checkTerm(term, field)))
}

/** One of `*`, `5`, `1-5`, `*\/10`, `1-5/2`, `mon`. */
function checkTerm(term: string, field: Field): string[] {
  const [range = '', step, ...more] = term.split('/')
  if (more.length > 0) return [`too many slashes: ${term}`]
  if (step !== undefined && !/^[1-9]\d*$/.test(step)) return [`failed to parse int from ${step}`]
  if (range === '*' || range === '?') return []
  const [first = '', last, ...others] = range.split('-')
  if (others.length > 0) return [`too many hyphens: ${term}`]
  const [low, high] = [numberIn(first, field), last === undefined ? undefined : numberIn(last, field)]
  if (low === undefined || (last !== undefined && high === undefined))
    return [`failed to parse int from ${low === undefined ? first : last}`]
  if (low < field.low) return [`beginning of range (${low}) below minimum (${field.low}): ${term}`]
  const end = high ?? low
  if (end > field.high) return [`end of range (${end}) above maximum (${field.high}): ${term}`]
  return low > end ? [`beginning of range (${low}) beyond end of range (${end}): ${term}`] : []
}

function numberIn(text: string, { words, low }: Field): number | undefined {
  const word = words.split(' ').indexOf(text.toLowerCase())
  if (words !== '' && word >= 0) return word + low
  return /^\d+$/.test(text) ? Number(text) : undefined
}

/** True for a name of the IANA time zone database. */
export function isTimeZone(name: string): boolean {
  if (name === '' || name === 'Local') return false
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: name }))
  } catch {
    return false
  }
}
