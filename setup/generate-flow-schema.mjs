/**
 * Generates from the schemas in src/flow: schemas/flow-test.schema.json and schemas/reachability-matrix.schema.json, by which editors complete and
 * check a *.flow.yaml, and manifests/flow-tests.yaml, by which a cluster keeps them.
 * Run it after changing that: `node --import=tsx setup/generate-flow-schema.mjs && npx biome format --write schemas`. A test fails when the output is stale.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { stringify } from 'yaml'

import { flowTestDefinition, matrixDefinition } from '../src/flow/flow-test-definition.ts'
import { flowTestJsonSchema } from '../src/flow/flow-test-schema.ts'
import { matrixJsonSchema } from '../src/flow/matrix/matrix-schema.ts'

const folder = new URL('../schemas/', import.meta.url)
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('flow-test.schema.json', folder), `${JSON.stringify(flowTestJsonSchema(), undefined, 2)}\n`)
writeFileSync(new URL('reachability-matrix.schema.json', folder), `${JSON.stringify(matrixJsonSchema(), undefined, 2)}\n`)

const head =
  '# FlowTests as objects of the cluster: kubectl get flowtests. Made of the schema in src/flow by setup/generate-flow-schema.mjs.\n'
writeFileSync(
  new URL('../manifests/flow-tests.yaml', import.meta.url),
  head + [flowTestDefinition(), matrixDefinition()].map(each => stringify(each, { aliasDuplicateObjects: false })).join('---\n'),
)
