import type { Headers } from '../base/net/path.js'
import type { LadderStep } from '../base/results/run-record.js'
import { hopRecord } from './describe-packet.js'
import { describeExpected, type Judgement } from './judge.js'
import type { PathMatch } from './match-path.js'
import { type RoleContext, roleOf } from './roles.js'
import type { Sighting, Trace } from './trace.js'

/** The picture of a flow: every hop seen, in order; where an expected one is missing, a step that says so; and the forbidden ones. */
export function buildLadder(traces: readonly Trace[], judgement: Judgement, context: RoleContext): LadderStep[] {
  const steps = traces.flatMap((trace, i) => {
    const ofExchange = judgement.legs.filter(({ exchange }) => exchange === i)
    const path = mostDetailed(ofExchange.map(leg => leg.path))
    const reply = mostDetailed(ofExchange.map(leg => leg.reply))
    const attempt =
      trace.attempts.find(seen => path?.pairs.some(pair => pair.seen !== undefined && seen.includes(pair.seen))) ?? trace.attempts[0] ?? []
    return [...climb(attempt, path, 'path', context), ...climb(trace.reply, reply, 'reply', context)]
  })
  const forbidden = judgement.forbidden.map(({ rule, sighting }): LadderStep => {
    const at = sighting.place === undefined ? rule.at : roleOf(sighting.place, context)
    return { kind: 'forbidden', leg: 'path', at, dir: sighting.dir, hop: hopRecord(sighting, undefined, context), expected: rule.why }
  })
  return [...steps, ...forbidden]
}

const mostDetailed = (matches: readonly (PathMatch | undefined)[]): PathMatch | undefined =>
  matches.toSorted((a, b) => (b?.pairs.length ?? 0) - (a?.pairs.length ?? 0))[0]

function climb(seen: readonly Sighting[], match: PathMatch | undefined, leg: LadderStep['leg'], context: RoleContext): LadderStep[] {
  const steps: LadderStep[] = []
  let before: Headers | undefined
  let at = 0
  const climbTo = (end: number): void => {
    for (const sighting of seen.slice(at, end)) {
      const hop = hopRecord(sighting, before, context)
      steps.push({ kind: 'seen', leg, at: hop.at, dir: hop.dir, hop })
      before = sighting.headers
    }
    at = Math.max(at, end)
  }
  for (const pair of match?.pairs ?? []) {
    if (pair.seen !== undefined) {
      climbTo(seen.indexOf(pair.seen) + 1)
    } else {
      const { expected } = pair
      steps.push({ kind: 'missing', leg, at: expected.at, dir: expected.dir ?? 'in', expected: describeExpected(expected) })
    }
  }
  climbTo(seen.length)
  return steps
}
