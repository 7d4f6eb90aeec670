import type { FlowRecord, LadderStep, RunRecord, Verdict } from '../base/results/run-record.js'
import { textTable } from './text-table.js'

/** Colours a piece of text, or leaves it as it is. */
export type Paint = (text: string, color: 'green' | 'red' | 'yellow' | 'dim' | 'bold') => string

const codes = { green: 32, red: 31, yellow: 33, dim: 2, bold: 1 } as const

/** Escape sequences of a terminal, or none. */
export const paintFor = (hasColor: boolean): Paint => (hasColor ? (text, color) => `\x1b[${codes[color]}m${text}\x1b[0m` : text => text)

const verdictColor = { pass: 'green', fail: 'red', error: 'red', skip: 'yellow', warn: 'yellow' } as const satisfies Record<Verdict, string>

/** One line a flow: verdict, name, hops there and back, outcome. */
export function flowTable(record: RunRecord, paint: Paint): string {
  const rows = record.flows.map(flow => [
    paint(flow.verdict, verdictColor[flow.verdict]),
    flow.name,
    String(hops(flow, 'path')),
    String(hops(flow, 'reply')),
    `${(flow.durationMs / 1000).toFixed(2)} s`,
    flow.reason ?? flow.outcome,
  ])
  return textTable(['verdict', 'flow', 'hops', 'back', 'time', 'outcome'], rows)
}

/** The hops of one flow, one a line: where, in which direction, and only what changed since the hop before. */
export function textLadder(flow: FlowRecord, paint: Paint): string {
  const width = Math.max(0, ...flow.ladder.map(({ at }) => at.length))
  const lines = (['path', 'reply'] as const).flatMap(leg => {
    const steps = flow.ladder.filter(step => step.leg === leg)
    return steps.flatMap((step, i) => {
      // Where one place did not see it, those after it cannot have; one line is enough for them.
      if (step.kind === 'missing' && steps[i - 1]?.kind === 'missing') {
        return steps[i + 1]?.kind === 'missing' ? [] : [`${' '.repeat(8)}${paint(`… and after it at ${missingBefore(steps, i)}`, 'red')}`]
      }
      return [
        `  ${(i === 0 ? leg : '').padEnd(6)}${ladderLine(step, i === 0, width, paint)}`,
        ...(step.hop?.by ?? []).map(line => `  ${' '.repeat(6 + width + 7)}${paint(`↳ ${line}`, 'dim')}`),
      ]
    })
  })
  const findings = flow.findings.flatMap(({ severity, message, where, nearest, frame, why }) => [
    `  ${paint(severity, severity === 'warn' ? 'yellow' : 'red')} ${where === undefined ? '' : `${where} `}${message}`,
    ...(why === undefined || message.includes(why) ? [] : [`       because ${why}`]),
    ...(nearest === undefined ? [] : [`       nearest packet seen: ${nearest}${frame === undefined ? '' : ` (frame ${frame})`}`]),
  ])
  const head = `${paint(flow.verdict, verdictColor[flow.verdict])} ${paint(flow.name, 'bold')}  ${flow.sent}`
  return `${[head, ...lines, ...findings].join('\n')}\n`
}

/** The places of the missing steps in a row that end at `end`, but for the first, which has a line of its own. */
function missingBefore(steps: readonly LadderStep[], end: number): string {
  const start = steps.findLastIndex((step, i) => i < end && step.kind !== 'missing') + 2
  return steps
    .slice(start, end + 1)
    .map(({ at }) => at)
    .join(', ')
}

function ladderLine(step: LadderStep, isFirst: boolean, width: number, paint: Paint): string {
  const place = `${step.at.padEnd(width)}  ${step.dir.padEnd(3)}  `
  if (step.kind === 'missing') return paint(`${place}missing: ${step.expected ?? 'a packet was expected here'}`, 'red')
  if (step.kind === 'forbidden') return paint(`${place}forbidden: ${step.hop?.summary ?? step.expected ?? ''}`, 'red')
  const { hop } = step
  if (hop === undefined) return place.trimEnd()
  if (isFirst) return `${place}${hop.summary}`
  return `${place}${hop.changes.length === 0 ? paint('unchanged', 'dim') : hop.changes.join(', ')}`
}

const hops = ({ ladder }: FlowRecord, leg: LadderStep['leg']): number =>
  ladder.filter(step => step.leg === leg && step.kind === 'seen').length

/** `flows: N passed, N failed` with the other verdicts where there are any. Warnings count as passed. */
export function flowSummary(record: RunRecord): string {
  const count = (...verdicts: readonly Verdict[]) => record.flows.filter(({ verdict }) => verdicts.includes(verdict)).length
  const failed = count('fail')
  const unclear = count('error')
  const skipped = count('skip')
  const rest = `${unclear > 0 ? `, ${unclear} could not tell` : ''}${skipped > 0 ? `, ${skipped} skipped` : ''}`
  return `flows: ${count('pass', 'warn')} passed, ${failed} failed${rest}`
}

/** True when no flow failed, none was unclear, and at least one really passed. */
export const isPassed = (record: RunRecord): boolean =>
  record.flows.every(({ verdict }) => verdict !== 'fail' && verdict !== 'error') &&
  record.flows.some(({ verdict }) => verdict === 'pass' || verdict === 'warn')
