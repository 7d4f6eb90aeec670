import type { Answer } from 'dns-packet'

import { type Directive, directiveError } from './corefile.js'
import { atMost, wholeNumber } from './directive-options.js'
import { singleHandler } from './handler.js'
import type { Plugin, Reply } from './resolve.js'
import { closestZone, normalZone } from './zones.js'

export interface CacheOptions {
  /** The longest a positive and a negative answer is kept. */
  readonly successSeconds: number
  readonly denialSeconds: number
  /** The most answers kept of each sort; the one stored first goes first. */
  readonly capacity: number
  /** Zones of which no positive and no negative answers are kept. */
  readonly uncached?: { readonly success: readonly string[]; readonly denial: readonly string[] }
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
}

interface Entry {
  readonly reply: Reply
  readonly storedMs: number
  readonly expiresMs: number
}

const nowhere = { success: [], denial: [] }

/** Keeps answers as long as their records live (RFC 2308 for negative ones), with the time that has passed taken off their TTL. */
export function cachePlugin({ successSeconds, denialSeconds, capacity, uncached = nowhere, now }: CacheOptions): Plugin {
  const positive = new Map<string, Entry>()
  const negative = new Map<string, Entry>()

  function store(key: string, name: string, reply: Reply): void {
    if (reply.rcode !== 'NOERROR' && reply.rcode !== 'NXDOMAIN') return
    const isPositive = reply.rcode === 'NOERROR' && reply.answers.length > 0
    const soa = reply.authorities.find(record => record.type === 'SOA')
    if (!isPositive && soa?.type !== 'SOA') return // Without an SOA nobody said how long the denial holds.
    if (closestZone(name, isPositive ? uncached.success : uncached.denial) !== undefined) return
    const limit = isPositive ? successSeconds : Math.min(denialSeconds, soa?.type === 'SOA' ? (soa.data.minimum ?? 0) : 0)
    const seconds = Math.min(limit, ...recordsOf(reply).map(ttlOf))
    if (seconds <= 0) return
    const entries = isPositive ? positive : negative
    const oldest = entries.keys().next()
    if (entries.size >= capacity && !oldest.done) entries.delete(oldest.value)
    entries.set(key, { reply, storedMs: now(), expiresMs: now() + seconds * 1000 })
  }

  return next => async query => {
    const name = query.name.toLowerCase()
    const key = `${query.type} ${name}`
    const entry = positive.get(key) ?? negative.get(key)
    if (entry && now() < entry.expiresMs) return aged(entry.reply, Math.floor((now() - entry.storedMs) / 1000), query.name)
    positive.delete(key)
    negative.delete(key)
    const reply = await next(query)
    store(key, name, reply)
    return reply
  }
}

const recordsOf = ({ answers, authorities, additionals }: Reply): readonly Answer[] => [...answers, ...authorities, ...additionals]
const ttlOf = (record: Answer): number => ('ttl' in record ? (record.ttl ?? 0) : 0)

/** The stored records, older by `seconds`; those of the asked name bear it in the case it was asked in. */
function aged(reply: Reply, seconds: number, asked: string): Reply {
  const age = (records: readonly Answer[]): Answer[] =>
    records.map(record => {
      const name = record.name.toLowerCase() === asked.toLowerCase() ? asked : record.name
      return { ...record, name, ttl: Math.max(0, ttlOf(record) - seconds) } as Answer
    })
  return { ...reply, answers: age(reply.answers), authorities: age(reply.authorities), additionals: age(reply.additionals) }
}

/** What the usual server keeps, and for how long at the most. */
const usual = { capacity: 9984, successSeconds: 3600, denialSeconds: 1800 }

export const cacheHandler = singleHandler('cache', directive => {
  const [text] = atMost(directive, 1)
  const longest = text === undefined ? usual.successSeconds : wholeNumber(directive, text, { from: 1, to: 86_400 })
  return cachePlugin({
    successSeconds: longest,
    denialSeconds: Math.min(longest, usual.denialSeconds),
    capacity: usual.capacity,
    uncached: { success: disabledZones(directive, 'success'), denial: disabledZones(directive, 'denial') },
    now: () => performance.now(),
  })
})

/** The zones of the lines `disable success|denial [ZONES…]`; all when one names none. */
function disabledZones(directive: Directive, sort: 'success' | 'denial'): readonly string[] {
  return directive.block.flatMap(option => {
    if (option.name !== 'disable') throw directiveError(option, 'is no option of cache here; there is disable')
    const [named, ...zones] = option.args
    if (named !== 'success' && named !== 'denial') throw directiveError(option, `${named ?? 'nothing'} is neither success nor denial`)
    if (named !== sort) return []
    return zones.length === 0 ? [''] : zones.map(normalZone)
  })
}
