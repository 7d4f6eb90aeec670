import type { FlowRecord, LadderStep, RunRecord } from '../base/results/run-record.js'

/** One flow of two runs, side by side up to where they part. */
export interface FlowDifference {
  readonly name: string
  /** What both show before they part, the last few hops. */
  readonly before: readonly string[]
  /** The first step that differs; undefined where a run has no more steps. */
  readonly good: string | undefined
  readonly bad: string | undefined
}

export interface RunDifference {
  readonly same: readonly string[]
  readonly differing: readonly FlowDifference[]
  /** Flows that only one of the runs has. */
  readonly alone: readonly { readonly name: string; readonly run: 'good' | 'bad' }[]
}

const shownBefore = 2

/**
 * Compares the hops of two runs, flow by flow, by place, direction and what changed; addresses, ports and times may differ, since each run
 * has its own. Pure.
 */
export function diffRuns(good: RunRecord, bad: RunRecord): RunDifference {
  const others = new Map(bad.flows.map(flow => [flow.name, flow]))
  const names = new Set(good.flows.map(({ name }) => name))
  const pairs = good.flows.flatMap(flow => {
    const other = others.get(flow.name)
    return other === undefined ? [] : [{ name: flow.name, difference: diffFlows(flow, other) }]
  })
  return {
    same: pairs.filter(({ difference }) => difference === undefined).map(({ name }) => name),
    differing: pairs.flatMap(({ difference }) => difference ?? []),
    alone: [
      ...good.flows.filter(({ name }) => !others.has(name)).map(({ name }) => ({ name, run: 'good' as const })),
      ...bad.flows.filter(({ name }) => !names.has(name)).map(({ name }) => ({ name, run: 'bad' as const })),
    ],
  }
}

function diffFlows(good: FlowRecord, bad: FlowRecord): FlowDifference | undefined {
  const [ours, theirs] = [stepsOf(good), stepsOf(bad)]
  const length = Math.max(ours.length, theirs.length)
  const at = Array.from({ length }, (_, i) => i).find(i => ours[i]?.key !== theirs[i]?.key)
  if (at === undefined) {
    if (good.outcome === bad.outcome) return undefined
    return { name: good.name, before: [], good: `it ended ${good.outcome}`, bad: `it ended ${bad.outcome}` }
  }
  return {
    name: good.name,
    before: ours.slice(Math.max(0, at - shownBefore), at).map(({ text }) => text),
    good: ours[at]?.text,
    bad: theirs[at]?.text,
  }
}

/** What was seen, a line and a key each. A step that was expected and missing was not seen. */
const stepsOf = ({ ladder }: FlowRecord): readonly { readonly key: string; readonly text: string }[] =>
  ladder
    .filter(({ kind }) => kind !== 'missing')
    .map(step => {
      const words = (step.hop?.changes ?? []).map(changeName).join(' ')
      return { key: `${step.kind} ${step.leg} ${step.at} ${step.dir} ${words}`, text: textOf(step) }
    })

/** `ttl 64 → 63` counts with its numbers; of `dst 10.96.0.10:80 → 10.244.2.9:8080` only that it changed. */
const changeName = (change: string): string => (/^(ttl|[+\u2212])/.test(change) ? change : (change.split(' ')[0] ?? ''))

const textOf = ({ kind, leg, at, dir, hop }: LadderStep): string => {
  const what = hop === undefined ? '' : hop.changes.length > 0 ? hop.changes.join(', ') : hop.summary
  return `${leg === 'path' ? 'there' : 'back'}  ${at} ${dir}  ${kind === 'forbidden' ? 'forbidden: ' : ''}${what}`
}
