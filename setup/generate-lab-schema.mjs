/**
 * Generates schemas/lab.schema.json, by which editors complete and check a lab.yaml, from the schema in src/lab.
 * Run it after changing that: `node --import=tsx setup/generate-lab-schema.mjs && npx biome format --write schemas`. A test fails when the output is stale.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { labJsonSchema } from '../src/lab/lab-spec.ts'

const folder = new URL('../schemas/', import.meta.url)
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('lab.schema.json', folder), `${JSON.stringify(labJsonSchema(), undefined, 2)}\n`)
