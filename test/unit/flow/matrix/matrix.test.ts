import t from 'tap'

import type { FlowRecord } from '../../../../src/base/results/run-record.js'
import { flowBatches, matrixRecords } from '../../../../src/flow/matrix/matrix-records.js'
import { parseFlowFile } from '../../../../src/flow/parse-flow-file.js'
import { sampleRun } from '../../../support/sample-run.js'

const file = (expect: string, columns = '[web, db]') => `apiVersion: podwire.dev/v1alpha1
kind: ReachabilityMatrix
metadata: {name: shop}
spec:
  bind:
    client: {pod: shop/client}
    web: {select: app=web, namespace: shop, placed: {otherNodeThan: $client}}
    db: {pod: shop/db}
  columns: ${columns}
  send: {tcp: {port: 8080}}
  expect: ${expect}
`
const whole = file('{client: ". X", web: "# .", db: ". ."}')

t.test('every cell that is asked is a flow, with the aliases that it needs', async t => {
  const documents = parseFlowFile(whole, 'm.flow.yaml')
  t.strictSame(
    documents.map(({ test }) => test.metadata.name),
    ['shop-client-web', 'shop-client-db', 'shop-web-db', 'shop-db-web', 'shop-db-db'],
  )
  const [first, second, third] = documents
  t.match(first?.test.spec, { send: { from: '$client', to: '$web', tcp: { port: 8080 } }, expect: { outcome: 'delivered' } })
  t.strictSame(second?.test.spec.expect.outcome, { dropped: {} })
  t.strictSame(Object.keys(second?.test.spec.bind ?? {}), ['client', 'db'])
  t.strictSame(Object.keys(third?.test.spec.bind ?? {}), ['client', 'web', 'db'], 'web is placed by the client')
  t.match(first?.where([]), /^m\.flow\.yaml:11:/)
})

t.test('no two flows of a batch have one sender', async t => {
  const batches = flowBatches(parseFlowFile(whole, 'm.flow.yaml'))
  t.equal(batches.flat().length, 5)
  t.equal(batches.length, 2)
  for (const batch of batches) {
    const senders = batch.map(({ test }) => test.spec.send.from)
    t.equal(new Set(senders).size, senders.length)
  }
})

t.test('what was seen stands in the cells', async t => {
  const documents = parseFlowFile(whole, 'm.flow.yaml')
  const ended: Record<string, string> = { 'shop-client-web': 'delivered', 'shop-client-db': 'delivered', 'shop-web-db': 'timeout' }
  const flows = Object.entries(ended).map(
    ([name, outcome]): FlowRecord => ({ ...sampleRun.flows[0]!, name, outcome, verdict: name === 'shop-client-web' ? 'pass' : 'fail' }),
  )
  const [matrix] = matrixRecords(documents, flows)
  t.strictSame(
    matrix?.cells.map(({ expected, seen, verdict }) => `${expected}${seen} ${verdict}`),
    ['.. pass', 'X. fail', '.X fail', '.# error', '.# error'],
  )
})

t.test('what cannot be meant is refused at its line', async t => {
  const refused = {
    'two cells for one column': [file('{client: ". X", db: "X ."}', '[web]'), /2 cells for 1 columns/],
    'a server that nobody reaches': [file('{client: ". X"}'), /nobody reaches db: a server that is dead would pass/],
    'an alias that is not bound': [file('{stranger: ". ."}'), /m\.flow\.yaml:11:\d+ spec\.expect\.stranger: stranger is no alias/],
    'another mark': [file('{client: ". ?"}'), /write a cell a column/],
  } as const
  for (const [name, [text, message]] of Object.entries(refused)) {
    t.throws(() => parseFlowFile(text, 'm.flow.yaml'), { code: 'CONFIG_INVALID', message }, name)
  }
})
