import t from 'tap'

import type { RunRecord } from '../../../src/base/results/run-record.js'
import { renderDiff } from '../../../src/report/render-diff.js'
import { sampleRun } from '../../support/sample-run.js'

const [first, ...rest] = sampleRun.flows
/** The first flow ends after its third hop, under a name that a page must not take for markup. */
const hostile = '<script>alert(1)</script>'
const good: RunRecord = { ...sampleRun, flows: [{ ...first!, name: hostile }, ...rest] }
const bad: RunRecord = { ...good, flows: [{ ...first!, name: hostile, outcome: 'timeout', ladder: first!.ladder.slice(0, 3) }] }

t.test('both ladders of what differs, and where they part', async t => {
  const page = renderDiff(good, bad)
  t.equal(page.match(/<svg/g)?.length, 2)
  t.match(page, /good: delivered/)
  t.match(page, /bad: timeout/)
  t.match(page, /− there {2}\S+ out/, 'the hop that only the good run has')
  t.match(page, /\+ \(nothing more\)/)
  for (const { name } of rest) t.match(page, `<li>${name} <span class="soft">in the good run`)
  t.notMatch(page, hostile)
})

t.test('of two equal runs nothing is drawn', async t => {
  t.notMatch(renderDiff(good, good), '<svg')
})
