/** Where two runs part. */
import t from 'tap'
import { diffRuns } from '../../../src/report/diff-runs.js'
import { sampleRun } from '../../support/sample-run.js'

const [flow] = sampleRun.flows
const run = (...flows: (typeof sampleRun.flows)[number][]) => ({ ...sampleRun, flows })

t.test('the same hops are the same, whatever the addresses and times', async t => {
  const later = JSON.parse(JSON.stringify(flow).replaceAll('10.244.2.9', '10.244.2.77').replaceAll('41234', '50000')) as typeof flow
  t.strictSame(diffRuns(run(flow!), run(later!)), { same: [flow!.name], differing: [], alone: [] })
})

t.test('the first hop that differs is shown with what both show before it', async t => {
  const cut = { ...flow!, ladder: flow!.ladder.slice(0, 3) }
  const { differing, same } = diffRuns(run(flow!), run(cut))
  t.strictSame(same, [])
  t.equal(differing.length, 1)
  t.equal(differing[0]!.before.length, 2)
  t.match(differing[0]!.good, /^there {2}/)
  t.equal(differing[0]!.bad, undefined)
})

t.test('a hop lost on the way is found at its place', async t => {
  const without = { ...flow!, ladder: flow!.ladder.toSpliced(2, 1) }
  const [difference] = diffRuns(run(flow!), run(without)).differing
  t.match(difference?.good, flow!.ladder[2]!.at)
  t.match(difference?.bad, flow!.ladder[3]!.at)
})

t.test('flows with another end, and flows that only one run has', async t => {
  const refused = { ...flow!, outcome: 'refused' }
  t.match(diffRuns(run(flow!), run(refused)).differing, [{ good: `it ended ${flow!.outcome}`, bad: 'it ended refused' }])
  const other = { ...flow!, name: 'other' }
  t.strictSame(diffRuns(run(flow!), run(other)).alone, [
    { name: flow!.name, run: 'good' },
    { name: 'other', run: 'bad' },
  ])
})
