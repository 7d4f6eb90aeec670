import type { FlowRecord, RunRecord } from '../base/results/run-record.js'
import { matrixText } from './matrix-text.js'
import { flowSummary, flowTable, paintFor, textLadder } from './text-ladder.js'

/** How `podwire flow test -o` can print a run. */
export const runFormats = ['table', 'json', 'junit', 'tap', 'github'] as const
export type RunFormat = (typeof runFormats)[number]

/** The whole run as text. The table shows the hops of flows that did not pass. */
export function formatRun(record: RunRecord, format: RunFormat, hasColor: boolean): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(record, undefined, 2)}\n`
    case 'junit':
      return junit(record)
    case 'tap':
      return tap(record)
    case 'github':
      return github(record)
    case 'table': {
      const paint = paintFor(hasColor)
      const unhappy = record.flows.filter(({ verdict }) => verdict !== 'pass' && verdict !== 'skip')
      const matrices = (record.matrices ?? []).map(matrix => matrixText(matrix, paint))
      return [flowTable(record, paint), ...matrices, ...unhappy.map(flow => textLadder(flow, paint)), `${flowSummary(record)}\n`].join('\n')
    }
  }
}

/** JUnit's XML, as CI systems read it: a failed flow is a failure, one that could not tell an error. */
function junit(record: RunRecord): string {
  const count = (verdict: FlowRecord['verdict']) => record.flows.filter(flow => flow.verdict === verdict).length
  const attributes = `tests="${record.flows.length}" failures="${count('fail')}" errors="${count('error')}" skipped="${count('skip')}"`
  const cases = record.flows.map(flow => {
    const open = `    <testcase name="${xml(flow.name)}" classname="${xml(flow.file)}" time="${(flow.durationMs / 1000).toFixed(3)}"`
    const body = junitBody(flow)
    return body === '' ? `${open}/>` : `${open}>${body}</testcase>`
  })
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    `  <testsuite name="podwire" ${attributes} time="${(record.durationMs / 1000).toFixed(3)}" timestamp="${xml(record.startedAt)}">`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n')
}

function junitBody(flow: FlowRecord): string {
  const message = xml(reasonOf(flow))
  const ladder = xml(textLadder(flow, text => text))
  if (flow.verdict === 'skip') return `<skipped message="${message}"/>`
  if (flow.verdict === 'fail') return `<failure message="${message}">${ladder}</failure>`
  if (flow.verdict === 'error') return `<error message="${message}">${ladder}</error>`
  return ''
}

/** TAP 14. A flow that could not tell is not ok. */
function tap(record: RunRecord): string {
  const lines = record.flows.flatMap((flow, i) => {
    const name = flow.name.replaceAll('#', '\\#')
    if (flow.verdict === 'skip') return [`ok ${i + 1} - ${name} # SKIP ${reasonOf(flow)}`]
    if (flow.verdict === 'pass' || flow.verdict === 'warn') return [`ok ${i + 1} - ${name}`]
    return [`not ok ${i + 1} - ${name}`, '  ---', ...yamlBlock(flow), '  ...']
  })
  return ['TAP version 14', `1..${record.flows.length}`, ...lines, ''].join('\n')
}

const yamlBlock = (flow: FlowRecord): readonly string[] => [
  `  message: ${JSON.stringify(reasonOf(flow))}`,
  '  ladder: |',
  ...textLadder(flow, text => text)
    .trimEnd()
    .split('\n')
    .map(line => `    ${line}`),
]

/** Workflow commands of GitHub Actions: an annotation at the line of each assertion that failed. */
function github(record: RunRecord): string {
  const lines = record.flows.flatMap(flow => {
    if (flow.verdict === 'pass') return []
    if (flow.verdict === 'skip') return [`::notice title=${property(flow.name)}::${data(`skipped: ${reasonOf(flow)}`)}`]
    const level = flow.verdict === 'warn' ? 'warning' : 'error'
    const findings = flow.findings.length > 0 ? flow.findings : [{ message: reasonOf(flow), where: undefined }]
    return findings.map(({ message, where }) => {
      const [, file, line, column] = /^(.*?):(\d+):(\d+)$/.exec(where ?? '') ?? []
      const place = file === undefined ? '' : `file=${property(file)},line=${line},col=${column},`
      return `::${level} ${place}title=${property(flow.name)}::${data(message)}`
    })
  })
  return `${[...lines, flowSummary(record)].join('\n')}\n`
}

const data = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
const property = (text: string): string => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C')

const reasonOf = (flow: FlowRecord): string => flow.reason ?? flow.findings[0]?.message ?? flow.outcome

/** Characters that XML 1.0 cannot hold are dropped, the special ones escaped. */
const xml = (text: string): string =>
  text
    .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
