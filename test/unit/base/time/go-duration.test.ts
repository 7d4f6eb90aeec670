import t from 'tap'

import { parseGoDuration } from '../../../../src/base/time/go-duration.js'

const cases: Readonly<Record<string, number | undefined>> = {
  '30s': 30_000,
  '1h30m': 5_400_000,
  '24h0m0s': 86_400_000,
  '1.5s': 1500,
  '250ms': 250,
  '100µs': 0.1,
  '0': 0,
  '0s': 0,
  '-5s': -5000,
  '': undefined,
  '30': undefined,
  '5 s': undefined,
  '1d': undefined,
  s: undefined,
}

t.test('durations as Go writes them', async t => {
  for (const [text, want] of Object.entries(cases)) t.equal(parseGoDuration(text), want, JSON.stringify(text))
})
