import type { ConntrackEntry, ConntrackTuple } from './conntrack.js'

/** The entries in the output of `conntrack -L -o extended,id`. Lines of another form are left out. */
export const parseConntrack = (text: string): readonly ConntrackEntry[] => text.split('\n').flatMap(line => parseLine(line) ?? [])

/** As `ipv4 2 tcp 6 119 TIME_WAIT src=… dst=… sport=… dport=… src=… dst=… sport=… dport=… [ASSURED] mark=0 use=1 id=1`. */
function parseLine(line: string): ConntrackEntry | undefined {
  const [, protocol, timeout, state, fields] = /^ipv[46]\s+\d+\s+(\S+)\s+\d+\s+(\d+)\s+(?:([A-Z_]+\d?)\s+)?(\S+=.*)$/.exec(line) ?? []
  if (protocol === undefined || fields === undefined) return undefined
  const pairs = [...fields.matchAll(/(\w+)=(\S+)/g)].map(([, key, value]) => [key!, value!] as const)
  const secondSource = pairs.findIndex(([key], i) => i > 0 && key === 'src')
  const orig = tuple(pairs.slice(0, secondSource))
  const reply = tuple(pairs.slice(secondSource))
  // ICMP has an id of its own in each tuple; the entry's comes last.
  const id = pairs.findLast(([key]) => key === 'id')?.[1]
  if (secondSource < 0 || orig === undefined || reply === undefined || id === undefined) return undefined
  return {
    id: Number(id),
    protocol,
    timeoutSeconds: Number(timeout),
    ...(state === undefined ? {} : { state }),
    orig,
    reply,
    isAssured: fields.includes('[ASSURED]'),
    isUnreplied: fields.includes('[UNREPLIED]'),
    mark: Number(pairs.find(([key]) => key === 'mark')?.[1] ?? 0),
  }
}

function tuple(pairs: readonly (readonly [string, string])[]): ConntrackTuple | undefined {
  const value = (name: string): string | undefined => pairs.find(([key]) => key === name)?.[1]
  const [src, dst, sport, dport] = ['src', 'dst', 'sport', 'dport'].map(value)
  if (src === undefined || dst === undefined) return undefined
  return { src, dst, ...(sport === undefined || dport === undefined ? {} : { sport: Number(sport), dport: Number(dport) }) }
}
