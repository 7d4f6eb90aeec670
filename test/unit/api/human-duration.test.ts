import t from 'tap'

import { ageOf, humanDuration } from '../../../src/api/human-duration.js'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

t.test('two units while they matter, then one', async t => {
  const rows: [ms: number, text: string][] = [
    [-5 * second, '<invalid>'],
    [0, '0s'],
    [119 * second, '119s'],
    [2 * minute, '2m'],
    [9 * minute + 59 * second, '9m59s'],
    [10 * minute + 30 * second, '10m'],
    [179 * minute, '179m'],
    [3 * hour, '3h'],
    [7 * hour + 30 * minute, '7h30m'],
    [47 * hour, '47h'],
    [2 * day + 3 * hour, '2d3h'],
    [8 * day + 3 * hour, '8d'],
    [729 * day, '729d'],
    [730 * day, '2y'],
    [3 * 365 * day + 4 * day, '3y4d'],
    [9 * 365 * day, '9y'],
  ]
  for (const [ms, text] of rows) t.equal(humanDuration(ms), text)
  t.equal(ageOf(undefined, 0), '<unknown>')
  t.equal(ageOf('1970-01-01T00:00:00Z', 5000), '5s')
})
