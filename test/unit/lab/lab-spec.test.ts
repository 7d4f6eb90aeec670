import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { defaultLab, LabSpec, labJsonSchema } from '../../../src/lab/lab-spec.js'
import { parseLab } from '../../../src/lab/parse-lab.js'

t.test('without a file there are three nodes and one host outside', async t => {
  const lab = defaultLab()
  t.equal(lab.name, 'podwire')
  t.strictSame(
    lab.nodes.map(({ name }) => name),
    ['node-1', 'node-2', 'node-3'],
  )
  t.strictSame(lab.externals, [{ name: 'ext1', segment: 'main' }])
  t.strictSame(lab.underlay, { subnet: '172.30.0.0/24', mtu: 1500, segments: [] })
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

t.test('the examples are valid, and the default one says what is so without a file', async t => {
  const folder = new URL('../../../examples/labs/', import.meta.url)
  const read = (name: string) => parseLab(readFileSync(new URL(name, folder), 'utf8'), name)
  for (const name of readdirSync(folder)) t.doesNotThrow(() => read(name), name)
  t.strictSame(read('default.yaml'), defaultLab())
})
