import { readFileSync } from 'node:fs'
import t from 'tap'
import { parseAllDocuments } from 'yaml'

import { isPodwireError } from '../../../src/base/errors/podwire-error.js'
import { flowTestDefinition, matrixDefinition } from '../../../src/flow/flow-test-definition.js'
import { flowTestJsonSchema } from '../../../src/flow/flow-test-schema.js'
import { matrixJsonSchema } from '../../../src/flow/matrix/matrix-schema.js'
import { parseFlowFile } from '../../../src/flow/parse-flow-file.js'
import { readFlowFiles } from '../../../src/flow/read-flow-files.js'

const head = 'apiVersion: podwire.dev/v1alpha1\nkind: FlowTest\nmetadata: {name: x}\n'

function problemsOf(text: string): readonly string[] {
  try {
    parseFlowFile(text, 'x.flow.yaml')
    return []
  } catch (error) {
    if (!isPodwireError(error, 'CONFIG_INVALID')) throw error
    return error.message
      .split('\n')
      .slice(1)
      .map(line => line.trim())
  }
}

t.test('the suite of this checkout is valid', async t => {
  const documents = await readFlowFiles([new URL('../../../flows', import.meta.url).pathname])
  t.ok(documents.length >= 12, `${documents.length} flows`)
  t.equal(new Set(documents.map(({ test }) => test.metadata.name)).size, documents.length, 'names are unique')
})

t.test('places of values, and of the parent of a missing one', async t => {
  const [document] = parseFlowFile(
    `${head}spec:\n  bind: {a: {pod: d/a}}\n  send: {from: $a, to: localhost, tcp: {port: 1}}\n  expect:\n    outcome: delivered\n`,
    'x.flow.yaml',
  )
  t.equal(document?.where(['spec', 'expect', 'outcome']), 'x.flow.yaml:8:14')
  t.equal(document?.where(['spec', 'expect', 'path', 3]), 'x.flow.yaml:8:5')
})

const spec = (expect: string, rest = ''): string =>
  `${head}spec:\n  bind: {client: {pod: d/a}, svc: {service: d/s}}\n  send: {from: $client, to: $svc, tcp: {}}\n${rest}  expect: ${expect}\n`

t.test('what is wrong is told with its place', async t => {
  const cases: Record<string, readonly [text: string, ...problems: readonly (string | RegExp)[]]> = {
    'a misspelt key': [
      spec('{outcome: delivered, conntrak: []}'),
      'x.flow.yaml:7:32 spec.expect: unknown key conntrak; did you mean conntrack?',
    ],
    'a key that nothing is like': [spec('{outcome: delivered, zzzzzzzz: 1}'), /unknown key zzzzzzzz; known are outcome, response, preset/],
    'inside a union: the branch that got furthest': [
      spec('{outcome: delivered, path: [{at: "client:eth0", sea: {dst: $svc.ip}}]}'),
      'x.flow.yaml:7:59 spec.expect.path[0]: unknown key sea; did you mean see?',
    ],
    'a place that is none': [
      spec('{outcome: delivered, path: [{at: "client:eht0"}]}'),
      /^x\.flow\.yaml:7:44 spec\.expect\.path\[0\]\.at: write a place such as client:eth0/,
    ],
    'an alias that is not bound': [
      spec('{outcome: delivered, path: [{at: "server:eth0", see: {src: $clinet.ip}}]}'),
      /path\[0\]\.at: server is no alias of `bind`; there are client, svc/,
      /path\[0\]\.see\.src: clinet is no alias/,
    ],
    'a negative result without a control': [spec('{outcome: timeout}'), /a test that expects something not to arrive needs a `control`/],
    'two protocols': [
      `${head}spec: {bind: {a: {pod: d/a}}, send: {from: $a, to: localhost, tcp: {port: 1}, udp: {port: 1}}, expect: {outcome: delivered}}`,
      /spec\.send: send exactly one of tcp, udp, icmp, http, dns, not tcp and udp/,
    ],
    'a binding to two things': [
      `${head}spec: {bind: {a: {pod: d/a, external: e}}, send: {from: $a, to: localhost, tcp: {port: 1}}, expect: {outcome: delivered}}`,
      /spec\.bind\.a: bind an alias to exactly one of pod, service, .* not pod and external/,
    ],
    'an outcome that does not exist': [spec('{outcome: deliverd}'), /spec\.expect\.outcome: Invalid option/],
    'everything at once': [spec('{outcome: nope, striict: true}', '  requires: {nodes: many}\n'), /requires\.nodes/, /outcome/, /striict/],
    'text that is no YAML': ['a: [', /x\.flow\.yaml:1:\d+ /],
    'another kind': ['apiVersion: v1\nkind: Pod\n', /apiVersion: Invalid input/, /kind: Invalid input/, /metadata/, /spec/],
  }
  for (const [name, [text, ...wanted]] of Object.entries(cases)) {
    const problems = problemsOf(text)
    for (const want of wanted) {
      t.ok(
        problems.some(problem => (typeof want === 'string' ? problem === want : want.test(problem))),
        `${name}: ${want}\n${problems.join('\n')}`,
      )
    }
  }
})

t.test('a file without a test is refused, a folder without files too', async t => {
  t.throws(() => parseFlowFile('# nothing\n', 'x.flow.yaml'), { code: 'CONFIG_INVALID' })
  await t.rejects(readFlowFiles([t.testdir({})]), { code: 'NOT_FOUND' })
  await t.rejects(readFlowFiles(['/nowhere.flow.yaml']), { code: 'NOT_FOUND' })
})

t.test('the schemas for editors and for the cluster are the one in the code', async t => {
  const file = new URL('../../../schemas/flow-test.schema.json', import.meta.url)
  const stale = 'stale? run: node --import=tsx setup/generate-flow-schema.mjs && npx biome format --write schemas'
  t.strictSame(JSON.parse(readFileSync(file, 'utf8')), JSON.parse(JSON.stringify(flowTestJsonSchema())), stale)
  const manifest = new URL('../../../manifests/flow-tests.yaml', import.meta.url)
  const kept = parseAllDocuments(readFileSync(manifest, 'utf8')).map(each => each.toJS())
  t.strictSame(kept, JSON.parse(JSON.stringify([flowTestDefinition(), matrixDefinition()])), stale)
  const matrix = new URL('../../../schemas/reachability-matrix.schema.json', import.meta.url)
  t.strictSame(JSON.parse(readFileSync(matrix, 'utf8')), JSON.parse(JSON.stringify(matrixJsonSchema())), stale)
})
