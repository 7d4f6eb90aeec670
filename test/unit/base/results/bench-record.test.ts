import { readFileSync } from 'node:fs'
import t from 'tap'

import { BenchRecord, benchJsonSchema } from '../../../../src/base/results/bench-record.js'
import { arm, benchmark, interval, timedCase } from '../../../support/sample-benchmark.js'

t.test('the published schema is the one in the code, and a run keeps to it', async t => {
  const file = new URL('../../../../schemas/bench.schema.json', import.meta.url)
  const stale = 'stale? run: node --import=tsx setup/generate-bench-schema.mjs && npx biome format --write schemas'
  t.strictSame(JSON.parse(readFileSync(file, 'utf8')), JSON.parse(JSON.stringify(benchJsonSchema())), stale)
  const run = benchmark(timedCase([arm('ours', 'compared', 5, interval(0.4, 0.5))]))
  t.strictSame(BenchRecord.parse(JSON.parse(JSON.stringify(run))), run)
})
