/**
 * Generates schemas/flow-test.schema.json, by which editors complete and check a *.flow.yaml, from the schema in src/flow.
 * Run it after changing that: `node --import=tsx setup/generate-flow-schema.mjs && npx biome format --write schemas`. A test fails when the output is stale.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { flowTestJsonSchema } from '../src/flow/flow-test-schema.ts'

const folder = new URL('../schemas/', import.meta.url)
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('flow-test.schema.json', folder), `${JSON.stringify(flowTestJsonSchema(), undefined, 2)}\n`)
