import t from 'tap'
import type { FlowRecord, RunRecord } from '../../../src/base/results/run-record.js'
import { renderReport } from '../../../src/report/render-report.js'
import { sampleRun } from '../../support/sample-run.js'

const hostile = `"><script>alert('x')</script>&\u0000`
const [first] = sampleRun.flows as [FlowRecord, ...FlowRecord[]]

/** The sample with every text of its first flow replaced by one that would break out of a page that does not escape. */
function hostileRun(): RunRecord {
  const step = first.ladder[0]!
  const flow: FlowRecord = {
    ...first,
    name: hostile,
    description: hostile,
    file: hostile,
    reason: hostile,
    sent: hostile,
    outcome: hostile,
    outcomeUnwatched: hostile,
    bound: { [hostile]: hostile },
    ladder: [
      { ...step, at: hostile, hop: { ...step.hop!, owner: hostile, host: hostile, interface: hostile, summary: hostile } },
      { ...step, hop: { ...step.hop!, changes: [hostile] } },
      { kind: 'missing', leg: 'reply', at: hostile, dir: 'in', expected: hostile },
    ],
    findings: [{ severity: 'fail', message: hostile, where: hostile, nearest: hostile, why: hostile }],
    conntrack: first.conntrack.map(entry => ({
      ...entry,
      host: hostile,
      protocol: hostile,
      state: hostile,
      madeBy: hostile,
      orig: { ...entry.orig, src: hostile },
    })),
  }
  return { ...sampleRun, lab: { ...sampleRun.lab, name: hostile, nodes: [hostile] }, pcapng: hostile, flows: [flow] }
}

t.test('a page needs nothing from outside and runs nothing', async t => {
  const page = renderReport(sampleRun)
  t.notMatch(page, /<script|<link|<img|<iframe|@import|url\(["']?(?!#)/i)
  t.notMatch(page.replaceAll('http://www.w3.org/2000/svg', ''), /https?:/)
})

t.test('every foreign text is escaped', async t => {
  const page = renderReport(hostileRun())
  t.notMatch(page, '<script')
  t.notMatch(page, '\u0000')
  t.notMatch(page, 'undefined')
  const attributes = [...page.matchAll(/="([^"]*)"/g)].filter(([, value]) => value?.includes('<'))
  t.strictSame(attributes, [], 'no attribute holds a tag')
})

t.test('every tag that is opened is closed', async t => {
  for (const run of [sampleRun, hostileRun(), { ...sampleRun, flows: [] }]) t.strictSame(unbalanced(renderReport(run)), [])
})

t.test('each flow has its verdict, and each step its hop, its interface and its frame', async t => {
  const page = renderReport(sampleRun)
  for (const { name } of sampleRun.flows) t.match(page, `<h2>${name}</h2>`)
  for (const word of ['1</b>✔ passed', '1</b>✘ failed', '1</b>? could not tell', '1</b>– skipped']) t.match(page, word)
  const rows = [...page.matchAll(/<tr class="(seen|missing|forbidden)">/g)].map(([, kind]) => kind)
  t.strictSame(
    rows,
    sampleRun.flows.flatMap(({ ladder }) => ladder.map(({ kind }) => kind)),
  )
  for (const { hop } of first.ladder) t.match(page, `<td class="number">${hop!.frame}</td>`)
})

t.test('lost packets and a flow that ends otherwise when nobody looks are alarms', async t => {
  t.notMatch(renderReport(sampleRun), '<dd class="alarm">')
  t.match(renderReport({ ...sampleRun, packetsLost: 3 }), '<dd class="alarm">3</dd>')
  t.match(
    renderReport({ ...sampleRun, flows: [{ ...first, outcomeUnwatched: 'timeout' }] }),
    'class="alarm">; without any capture running: timeout',
  )
})

/** The tags of a page that do not nest; empty elements of HTML aside. */
function unbalanced(page: string): readonly string[] {
  const open: string[] = []
  const wrong: string[] = []
  for (const [, slash, name = '', selfClosed] of page.matchAll(/<(\/?)([a-zA-Z][\w-]*)(?:\s[^<>]*?)?(\/?)>/g)) {
    if (selfClosed || ['meta', 'br'].includes(name)) continue
    if (!slash) open.push(name)
    else if (open.pop() !== name) wrong.push(name)
  }
  return [...wrong, ...open]
}
