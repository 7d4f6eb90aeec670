import { readFileSync } from 'node:fs'
import t from 'tap'

import { defaultLab, LabSpec, labJsonSchema } from '../../../src/lab/lab-spec.js'

t.test('without a file there are three nodes and one host outside', async t => {
  const lab = defaultLab()
  t.equal(lab.name, 'podwire')
  t.strictSame(
    lab.nodes.map(({ name }) => name),
    ['node-1', 'node-2', 'node-3'],
  )
  t.strictSame(lab.externals, [{ name: 'ext1' }])
  t.strictSame(lab.underlay, { subnet: '172.30.0.0/24', mtu: 1500 })
  t.equal(defaultLab('shop').name, 'shop')
})

t.test('a specification survives being written and read again', async t => {
  const lab = LabSpec.parse({ nodes: 2, name: 'again' })
  t.strictSame(LabSpec.parse(JSON.parse(JSON.stringify(lab))), lab)
})

t.test('also a specification that was not read from a file is held against itself', async t => {
  t.throws(
    () => LabSpec.parse({ pods: { cidr: '172.30.0.0/16' } }),
    /172\.30\.0\.0\/16 of the Pods overlaps 172\.30\.0\.0\/24 of the underlay/,
  )
})

t.test('the schema for editors is the one in the code', async t => {
  const file = new URL('../../../schemas/lab.schema.json', import.meta.url)
  const stale = 'stale? run: node --import=tsx setup/generate-lab-schema.mjs && npx biome format --write schemas'
  t.strictSame(JSON.parse(readFileSync(file, 'utf8')), JSON.parse(JSON.stringify(labJsonSchema())), stale)
})
