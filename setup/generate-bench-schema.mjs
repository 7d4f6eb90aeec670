/**
 * Generates schemas/bench.schema.json, the form of what `podwire bench` writes, from the schema in src/base/results.
 * Run it after changing that: `node --import=tsx setup/generate-bench-schema.mjs && npx biome format --write schemas`. A test fails when the output is stale.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { benchJsonSchema } from '../src/base/results/bench-record.ts'

const folder = new URL('../schemas/', import.meta.url)
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('bench.schema.json', folder), `${JSON.stringify(benchJsonSchema(), undefined, 2)}\n`)
