import t from 'tap'

import type { CaseRecord } from '../../../src/base/results/bench-record.js'
import { benchCsv } from '../../../src/bench/bench-csv.js'
import { caseName, compareRecords } from '../../../src/bench/compare-records.js'
import { arm, benchmark, interval, timedCase } from '../../support/sample-benchmark.js'

const ours = (low: number, high: number) => timedCase([arm('ours', 'compared', 5, interval(low, high))])
const verdict = (old: readonly [number, number], now: readonly [number, number]) =>
  compareRecords(benchmark(ours(...old)), benchmark(ours(...now)))[0]?.verdict

t.test('intervals that meet are the same; else the direction of the metric decides', async t => {
  t.equal(verdict([0.4, 0.5], [0.45, 0.6]), 'same')
  t.equal(verdict([0.4, 0.5], [0.51, 0.6]), 'worse')
  t.equal(verdict([0.4, 0.5], [0.2, 0.39]), 'better')
  const rate = (low: number, high: number) => {
    const each = ours(low, high)
    return benchmark({ ...each, metrics: each.metrics.map(metric => ({ ...metric, better: 'higher' as const })) })
  }
  t.equal(compareRecords(rate(0.4, 0.5), rate(0.51, 0.6))[0]?.verdict, 'better')
})

t.test('what cannot be compared is said', async t => {
  const verdicts = (old: CaseRecord, now: CaseRecord) =>
    compareRecords(benchmark(old), benchmark(now)).map(each => `${each.case} ${each.arm} ${each.verdict}`)
  const known = ours(0.4, 0.5)
  t.strictSame(verdicts(known, { ...known, voided: ['time'] }), ['sync ours void'])
  t.strictSame(verdicts(known, timedCase([arm('ours', 'compared', 5)])), ['sync ours unsure'])
  t.strictSame(
    verdicts(known, { ...known, parameters: { services: 100 } }),
    ['sync, 100 services ours new', 'sync ours gone'],
    'another size is another case',
  )
  t.strictSame(verdicts(known, timedCase([arm('theirs', 'compared', 5, interval(1, 2))])), ['sync theirs new', 'sync ours gone'])
})

t.test('counts are compared as they are, those of the baseline too', async t => {
  const counts = (ofPeer: number, ofOurs: number) => {
    const each = timedCase([arm('ours', 'compared', ofOurs, interval(0.1, 9))])
    const arms = each.arms.map(other => (other.role === 'baseline' ? arm('peer', 'baseline', ofPeer) : other))
    return benchmark({ ...each, arms, metrics: each.metrics.map(metric => ({ ...metric, isDeterministic: true })) })
  }
  const found = compareRecords(counts(10, 20), counts(10, 21)).map(each => [each.arm, each.verdict, each.old, each.now])
  t.strictSame(found, [
    ['peer', 'same', 10, 10],
    ['ours', 'worse', 20, 21],
  ])
})

t.test('a size that the name tells already is not told twice', async t => {
  t.equal(caseName({ name: '1,000 Services', parameters: { services: 1000 } }), '1,000 Services, 1000 services')
  t.equal(caseName({ name: '100 services', parameters: { services: 100 } }), '100 services')
})

t.test('CSV: a line a sample, with quotes where a name needs them', async t => {
  const text = benchCsv(benchmark(timedCase([arm('ours, new', 'compared', 5)], { parameters: { services: 100, endpoints: 2 } })))
  const lines = text.split('\r\n')
  t.equal(lines[0], 'workload,case,parameters,arm,role,metric,unit,round,value')
  t.equal(lines.length, 1 + 3 * 2 + 1)
  t.ok(lines.includes('proxy,sync,services=100;endpoints=2,"ours, new",compared,time,ms,2,5'))
})
