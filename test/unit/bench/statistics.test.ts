import fc from 'fast-check'
import t from 'tap'

import { seededRandom, shuffled } from '../../../src/bench/random.js'
import { median, minRoundsForInterval, quantile, ratioOfMedians } from '../../../src/bench/statistics.js'

const options = { confidence: 0.95, seed: 7 }

t.test('quantiles lie between neighbours in proportion', async t => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([1, 2, 3, 4]), 2.5)
  t.equal(quantile([10, 20], 0.25), 12.5)
})

t.test('a ratio of medians has the interval that its rounds support', async t => {
  const baseline = [10, 11, 9, 10, 10, 11, 9, 10]
  const twice = ratioOfMedians({ arm: baseline.map(x => x * 2), baseline }, options)
  t.equal(twice?.estimate, 2)
  t.ok(twice && twice.low <= 2 && twice.high >= 2 && twice.low > 1.7 && twice.high < 2.3, JSON.stringify(twice))
  t.strictSame(ratioOfMedians({ arm: baseline.map(x => x * 2), baseline }, options), twice, 'the seed repeats it')
})

t.test('an arm against itself holds 1, a slower one does not', async t => {
  const random = seededRandom(3)
  const noisy = (level: number) => Array.from({ length: 20 }, () => level * (0.9 + 0.2 * random()))
  const same = ratioOfMedians({ arm: noisy(100), baseline: noisy(100) }, options)
  t.ok(same && same.low <= 1 && same.high >= 1, JSON.stringify(same))
  const slower = ratioOfMedians({ arm: noisy(130), baseline: noisy(100) }, options)
  t.ok(slower && slower.low > 1.15, JSON.stringify(slower))
})

t.test('few rounds or a baseline of nothing give no interval', async t => {
  const few = Array.from({ length: minRoundsForInterval - 1 }, () => 1)
  t.equal(ratioOfMedians({ arm: few, baseline: few }, options), undefined)
  const zeros = Array.from({ length: 10 }, () => 0)
  t.equal(ratioOfMedians({ arm: zeros, baseline: zeros }, options), undefined)
})

t.test('shuffling keeps every value and follows the seed', async t => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.integer(), (values, seed) => {
      const order = shuffled(values, seededRandom(seed))
      t.strictSame([...order].sort(), [...values].sort())
      t.strictSame(shuffled(values, seededRandom(seed)), order)
    }),
    { numRuns: 50 },
  )
})
