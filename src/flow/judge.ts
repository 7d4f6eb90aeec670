import type { ConntrackRecord, Finding } from '../base/results/run-record.js'
import { describeHeaders } from './describe-packet.js'
import type { Expectation, ExpectedConntrack, ExpectedHop, ExpectedLeg, ForbiddenHop } from './expectation.js'
import { compareHeaders, isAt, type Mismatch, matchPath, type PathMatch } from './match-path.js'
import type { Sighting, Trace } from './trace.js'

/** One leg of a flow, compared with what was seen of it. */
export interface JudgedLeg {
  readonly name: string
  readonly exchange: number
  readonly path: PathMatch | undefined
  readonly reply: PathMatch | undefined
}

export interface ForbiddenSighting {
  readonly rule: ForbiddenHop
  readonly sighting: Sighting
}

export interface Judgement {
  readonly findings: readonly Finding[]
  readonly legs: readonly JudgedLeg[]
  readonly forbidden: readonly ForbiddenSighting[]
}

/**
 * Compares what was seen with what must have been. Pure. `traces` are those of the flow's exchanges, in order; a leg without one was not sent.
 * A finding names the first hop that differs, the nearest packet really seen and its frame.
 */
export function judge(traces: readonly Trace[], expectation: Expectation): Judgement {
  const findings: Finding[] = []
  const legs = expectation.legs.map((leg): JudgedLeg => {
    const judged = judgeLeg(leg, traces[leg.exchange])
    findings.push(...judged.findings)
    return judged.leg
  })
  const forbidden = new Map<Sighting, ForbiddenHop>()
  for (const rule of expectation.never) {
    const sighting = traces.flatMap(({ all }) => all).find(seen => isForbidden(seen, rule))
    if (sighting !== undefined && !forbidden.has(sighting)) forbidden.set(sighting, rule)
  }
  for (const [sighting, rule] of forbidden) {
    findings.push({
      severity: 'fail',
      message: `${rule.at}${rule.dir ? ` ${rule.dir}` : ''} must not see this packet: ${rule.why}`,
      where: rule.where,
      ...nearest(sighting),
      why: rule.why,
    })
  }
  const entries = traces.flatMap(({ conntrack }) => conntrack)
  findings.push(...expectation.conntrack.flatMap(expected => judgeConntrack(expected, entries)))
  return { findings: distinct(findings), legs, forbidden: [...forbidden].map(([sighting, rule]) => ({ sighting, rule })) }
}

/** What a file and the prediction both say is told once, in the name of the first. */
const distinct = (findings: readonly Finding[]): Finding[] =>
  findings.filter(({ message }, i) => findings.findIndex(other => other.message === message) === i)

function judgeLeg(leg: ExpectedLeg, trace: Trace | undefined): { leg: JudgedLeg; findings: Finding[] } {
  if (trace === undefined) {
    return {
      leg: { name: leg.name, exchange: leg.exchange, path: undefined, reply: undefined },
      findings: [{ severity: 'fail', message: `leg ${leg.name} was not sent: the one before it did not lead to it` }],
    }
  }
  const best = judgePath(leg, trace.attempts)
  const reply = leg.reply && matchPath(leg.reply, trace.reply, leg.isStrict)
  // What did not arrive is not answered: that would be the same failure told twice.
  const isUnanswered = best.findings.some(({ severity }) => severity === 'fail') && trace.reply.length === 0
  const replyFindings = isUnanswered ? [] : (reply?.mismatches ?? []).map(toFinding)
  return { leg: { name: leg.name, exchange: leg.exchange, path: best.match, reply }, findings: [...best.findings, ...replyFindings] }
}

/** The first attempt counts. When it was lost and a retransmission went the right way, that is a warning. */
function judgePath({ path, isStrict }: ExpectedLeg, attempts: Trace['attempts']): { match: PathMatch | undefined; findings: Finding[] } {
  if (path === undefined) return { match: undefined, findings: [] }
  const first = matchPath(path, attempts[0] ?? [], isStrict)
  const last = attempts.at(-1)
  if (first.mismatches.length === 0 || attempts.length < 2 || last === undefined)
    return { match: first, findings: first.mismatches.map(toFinding) }
  const retried = matchPath(path, last, isStrict)
  if (retried.mismatches.length > 0) return { match: first, findings: first.mismatches.map(toFinding) }
  const findings = first.mismatches.map(mismatch => ({ ...toFinding(mismatch), severity: 'warn' as const }))
  return {
    match: retried,
    findings: findings.map(finding => ({
      ...finding,
      message: `the first attempt was lost (${finding.message}); number ${attempts.length} arrived`,
    })),
  }
}

function toFinding({ message, nearest: sighting, expected, isUnknown }: Mismatch): Finding {
  return {
    severity: isUnknown ? 'error' : 'fail',
    message,
    ...(expected && { where: expected.where }),
    ...(expected?.why && { why: expected.why }),
    ...(sighting && nearest(sighting)),
  }
}

const nearest = (sighting: Sighting): { nearest: string; frame: number } => ({
  nearest: `${sighting.owner}/${sighting.interface} ${sighting.dir}: ${describeHeaders(sighting.headers)}`,
  frame: sighting.frame,
})

/** Without `outer` a rule forbids the packet bare on the wire; inside a tunnel it is another matter. */
function isForbidden(sighting: Sighting, { place, dir, see }: ForbiddenHop): boolean {
  if (!isAt(sighting, place) || (dir !== undefined && dir !== sighting.dir)) return false
  if (see.outer === undefined && sighting.headers.outer !== undefined) return false
  return compareHeaders(see, sighting.headers).length === 0
}

function judgeConntrack(expected: ExpectedConntrack, entries: readonly ConntrackRecord[]): Finding[] {
  const here = entries.filter(({ host }) => host === expected.on)
  const isTuple = (want: object, have: object): boolean =>
    Object.entries(want).every(([key, value]) => String((have as Record<string, unknown>)[key]) === String(value))
  const differs = (entry: ConntrackRecord): string[] => [
    ...(isTuple(expected.orig, entry.orig) ? [] : ['its original tuple']),
    ...(isTuple(expected.reply, entry.reply) ? [] : ['its reply tuple']),
    ...(expected.state === undefined || (entry.state ?? '').split(' ').includes(expected.state) ? [] : [`its state ${entry.state ?? ''}`]),
    ...(expected.nat === undefined || sameSet(expected.nat, entry.nat) ? [] : [`its translation (${entry.nat.join(', ') || 'none'})`]),
  ]
  if (here.some(entry => differs(entry).length === 0)) return []
  const closest = here.toSorted((a, b) => differs(a).length - differs(b).length)[0]
  const want = `${tupleText(expected.orig)}, reply ${tupleText(expected.reply)}${expected.state ? `, ${expected.state}` : ''}${expected.nat ? `, ${expected.nat.join(' and ') || 'no NAT'}` : ''}`
  const message =
    closest === undefined
      ? `${expected.on} tracks no such flow: ${want}`
      : `${expected.on} tracks no such flow: ${want}; the nearest differs in ${differs(closest).join(' and ')}: ${tupleText(closest.orig)}, reply ${tupleText(closest.reply)}`
  return [{ severity: 'fail', message, where: expected.where }]
}

const sameSet = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every(each => b.includes(each))

function tupleText(tuple: Partial<ConntrackRecord['orig']>): string {
  const end = (ip: string | undefined, port: number | undefined): string => `${ip ?? '*'}${port === undefined ? '' : `:${port}`}`
  return `${end(tuple.src, tuple.sport)} → ${end(tuple.dst, tuple.dport)}`
}

/** What an expected hop asks for, in one line. */
export function describeExpected({ see, changed }: ExpectedHop): string {
  const { outer, ...fields } = see
  const parts = Object.entries(fields).map(([key, value]) => `${key} ${value}`)
  const tunnel =
    outer === undefined
      ? []
      : [
          `in VXLAN ${Object.entries(outer)
            .map(([key, value]) => `${key} ${value}`)
            .join(' ')}`,
        ]
  const change = changed === undefined ? [] : [changed.must.length === 0 ? 'nothing changed' : `changed: ${changed.must.join(', ')}`]
  return [...parts, ...tunnel, ...change].join(' · ')
}
