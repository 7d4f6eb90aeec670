import t from 'tap'

import { logScale } from '../../../src/report/log-scale.js'
import { renderBenchmark } from '../../../src/report/render-benchmark.js'
import { arm, benchmark, interval, timedCase } from '../../support/sample-benchmark.js'

const hostile = `"><script>alert('x')</script>&`

t.test('a page needs nothing from outside, runs nothing and lets no name break out of it', async t => {
  const page = renderBenchmark(
    benchmark(timedCase([arm(hostile, 'compared', 5, interval(0.4, 0.5))], { name: hostile, missing: [{ arm: hostile, why: hostile }] })),
  )
  t.notMatch(page, /<script/)
  t.notMatch(page, /(src|href)="?https?:/)
})

t.test('each arm has its dot and interval, the null arm is the band, void is said', async t => {
  const page = renderBenchmark(benchmark(timedCase([arm('ours', 'compared', 5, interval(0.4, 0.5))], { voided: ['time'] })))
  t.equal(page.match(/class="interval"/g)?.length, 1)
  t.equal(page.match(/class="band"/g)?.length, 1)
  t.match(page, /ours: 0\.450 \[0\.400, 0\.500\]/)
  t.match(page, /class="good"/, 'wholly below 1 where lower is better')
  const close = renderBenchmark(benchmark(timedCase([arm('ours', 'compared', 5, interval(1.02, 1.05))])))
  t.match(close, /class="even"/, 'what the baseline is to itself')
  t.match(page, /Void: time of peer differs from itself/)
  t.match(renderBenchmark(benchmark()), /No case was measured/)
})

t.test('cases of several sizes are lines too; of one size they are not', async t => {
  const at = (services: number) => timedCase([arm('ours', 'compared', services / 10, interval(0.4, 0.5))], { parameters: { services } })
  t.match(
    renderBenchmark(benchmark(at(100), at(1000), at(10_000))),
    /sync: time by services, ms<[\s\S]*<polyline points="[\d.]+,[\d.]+ [\d.]+,[\d.]+ [\d.]+,[\d.]+"/,
  )
  t.notMatch(renderBenchmark(benchmark(at(100))), /<polyline/)
})

t.test('a measurement of nothing is drawn as nothing', async t => {
  const page = renderBenchmark(benchmark(timedCase([arm('ours', 'compared', 0, interval(0, 0))])))
  t.notMatch(page, /NaN|Infinity/)
})

t.test('an axis shows a few round values, whatever its range', async t => {
  for (const [low, high] of [
    [0.95, 1.06],
    [0.3, 1],
    [1, 30],
    [0.001, 1000],
    [1, 1],
  ] as const) {
    const { at, ticks } = logScale([low, high], { start: 0, end: 100 })
    t.ok(ticks.length >= 1 && ticks.length <= 7, `${low} to ${high}: ${ticks.join(' ')}`)
    t.ok(ticks.every(tick => at(tick) >= 0 && at(tick) <= 100))
  }
})
