/** Whatever is sent, the answer is one of the API: never a 5xx, never a crash, refusals always a Status. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { parseAllDocuments } from 'yaml'

import { apiPathOf } from '../../../../src/api/api-resource.js'
import type { JsonObject } from '../../../../src/api/json.js'
import { resourceTable } from '../../../../src/api/resource-table.js'
import { anyObject, anyVariant } from '../../../support/any-object.js'
import { apiRequest, type RawAnswer, type RawRequest } from '../../../support/api-request.js'
import { type TestApiServer, withApiServer } from '../../../support/api-server.js'
import { kubernetesBody } from '../../../support/protobuf-writer.js'

// The same requests each time; PODWIRE_SEED sends others.
fc.configureGlobal({ seed: Number(process.env.PODWIRE_SEED ?? 1) })

const maps = '/api/v1/namespaces/default/configmaps'
const valid = parseAllDocuments(readFileSync(new URL('../../../golden/kubectl/every-kind.yaml', import.meta.url), 'utf8')).map(
  document => document.toJS() as JsonObject & { readonly kind: string; readonly metadata: JsonObject & { readonly name: string } },
)
const rows = resourceTable.flatMap(row => {
  const object = row.storedAs
    ? undefined
    : valid.find(({ kind, apiVersion }) => kind === row.kind && apiVersion === [row.group, row.version].filter(Boolean).join('/'))
  return object ? [{ row, object }] : []
})

/** Sends, and throws what no client should see. */
async function send(api: TestApiServer, path: string, request: RawRequest = {}): Promise<RawAnswer<JsonObject>> {
  const answer = await apiRequest<JsonObject>(api, path, request)
  const { status, text } = answer
  const sent = () => `${request.method ?? 'GET'} ${path} ${JSON.stringify(request.body)?.slice(0, 2000)}: ${status} ${text.slice(0, 500)}`
  if (status >= 500) throw new Error(sent())
  if (status >= 400 && request.method !== 'HEAD' && (answer.json?.kind !== 'Status' || answer.json.code !== status)) throw new Error(sent())
  return answer
}

const patch = (type: string, body: RawRequest['body']): RawRequest => ({
  method: 'PATCH',
  headers: { 'content-type': `application/${type}` },
  ...(body !== undefined && { body }),
})

function withTarget(t: Test, use: (api: TestApiServer) => Promise<void>): Promise<void> {
  return withApiServer(t, async api => {
    await use(api)
    t.equal((await send(api, '/readyz')).status, 200, 'it still answers')
  })
}

t.test('objects of every kind, valid but for a few fields, created, replaced, patched, shown and deleted', t =>
  withTarget(t, async api => {
    const table = { headers: { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' } }
    let created = 0
    for (const { row, object } of rows) {
      const path = apiPathOf(row, { namespace: 'default' })
      const one = `${path}/${object.metadata.name}`
      const bodies = fc.tuple(fc.oneof(anyVariant(row, object), anyObject(row)), anyVariant(row, object))
      await fc.assert(
        fc.asyncProperty(bodies, async ([first, second]) => {
          const metadata = { name: object.metadata.name }
          const { status } = await send(api, path, { method: 'POST', body: { ...first, metadata } })
          if (status !== 201) return
          created++
          await send(api, one, { method: 'PUT', body: { ...second, metadata } })
          await send(api, one, patch('merge-patch+json', second))
          await send(api, one, patch('strategic-merge-patch+json', second))
          await send(api, `${one}?fieldManager=me&force=true`, patch('apply-patch+yaml', { ...second, metadata }))
          await send(api, `${one}/status`, patch('merge-patch+json', { status: second.status ?? first.status ?? {} }))
          await send(api, path, table)
          await send(api, one, { method: 'DELETE', body: { gracePeriodSeconds: 0 } })
          await send(api, one, patch('merge-patch+json', { metadata: { finalizers: null } }))
        }),
        { numRuns: 4 },
      )
    }
    t.ok(created > rows.length / 2, 'many of them are taken')
  }),
)

t.test('bodies that are none', t =>
  withTarget(t, async api => {
    const types = ['json', 'yaml', 'vnd.kubernetes.protobuf', 'json-patch+json', 'apply-patch+yaml', 'strategic-merge-patch+json', 'x', '']
    const nested = fc.integer({ min: 1, max: 20_000 }).map(depth => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`)
    const lists = fc.integer({ min: 1, max: 20_000 }).map(depth => `{"data":${'['.repeat(depth)}${']'.repeat(depth)}}`)
    const message = kubernetesBody('v1', 'ConfigMap', Buffer.from('\x0a\x05\x0a\x03abc'))
    const broken = fc.tuple(fc.nat(message.length - 1), fc.nat(255), fc.nat(message.length)).map(([at, byte, end]) => {
      const copy = Buffer.from(message)
      copy[at] = byte
      return copy.subarray(0, end)
    })
    const texts = fc.oneof(
      fc.json(),
      fc.string(),
      nested,
      lists,
      fc.uint8Array({ maxLength: 64 }).map(bytes => Buffer.from(bytes)),
      broken,
    )
    await fc.assert(
      fc.asyncProperty(texts, fc.constantFrom(...types), fc.constantFrom('POST', 'PUT', 'PATCH', 'DELETE'), async (body, type, method) => {
        const headers = { 'content-type': type === '' ? '' : `application/${type}`, 'content-length': String(Buffer.byteLength(body)) }
        await send(api, method === 'POST' ? maps : `${maps}/abc?fieldManager=me`, { method, body, headers })
      }),
      { numRuns: 150 },
    )
    const label = 'x'.repeat(2 * 1024 * 1024)
    t.equal((await send(api, maps, { method: 'POST', body: { metadata: { name: 'a', labels: { [label]: 'b' } } } })).status, 422)
    t.equal((await send(api, maps, { method: 'POST', body: { metadata: { name: 'a', labels: { b: label } } } })).status, 422)
    t.equal((await send(api, maps, { method: 'POST', body: { metadata: { name: label } } })).status, 422)
    t.equal(
      (await send(api, maps, { method: 'POST', body: { metadata: { name: 'a' }, [`${label}ä`]: 1 } })).status,
      201,
      'a warning as long',
    )
  }),
)

t.test('paths, queries and headers', t =>
  withTarget(t, async api => {
    const roots = [
      '/',
      '/api',
      '/api/v1',
      '/apis',
      '/apis/apps/v1',
      maps,
      `${maps}/a`,
      '/openapi/v3',
      '/api/v1/namespaces',
      '/api/v1/nodes',
    ]
    const segments = fc.constantFrom(
      ...[
        '..',
        '.',
        '%2e%2e',
        '%00',
        '%',
        '%zz',
        '%2f',
        '%F0%9F%98%80',
        'pods',
        'namespaces',
        'status',
        'scale',
        'exec',
        'watch',
        '__proto__',
      ],
      ...['constructor', 'x'.repeat(5000), '%E4', '*', '-', 'apis', '?', ';'],
    )
    const parameters = fc.constantFrom(
      ...[
        'watch',
        'limit',
        'continue',
        'resourceVersion',
        'resourceVersionMatch',
        'fieldSelector',
        'labelSelector',
        'timeoutSeconds',
        'dryRun',
      ],
      ...[
        'fieldValidation',
        'fieldManager',
        'force',
        'includeObject',
        'gracePeriodSeconds',
        'propagationPolicy',
        'pretty',
        'allowWatchBookmarks',
      ],
    )
    const values = fc.constantFrom(
      ...[
        '',
        '-1',
        '1e9',
        'NaN',
        'nothing',
        '%00',
        '%ff',
        'a in (',
        '((',
        '!!',
        'a=b=c',
        '\\',
        '%5C',
        'x'.repeat(4000),
        'eyJydiI6MX0',
        'All',
      ],
      ...['eyJydiI6MSwiYWZ0ZXIiOiJcdTAwMDAifQ', '__proto__=a', '99999999999999999999'],
    )
    const queries = fc
      .array(fc.tuple(parameters, values), { maxLength: 3 })
      .map(all => all.map(([name, value]) => `${name}=${value}`).join('&'))
    const accepts = fc.constantFrom(
      '',
      '*/*',
      'application/json;as=Table;g=meta.k8s.io;v=v9',
      'a',
      ';;',
      'application/yaml;q=x',
      'text/html',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...roots),
        fc.array(segments, { maxLength: 3 }),
        queries,
        accepts,
        async (root, more, query, accept) => {
          // A watch would stay open.
          const path = `${[root, ...more].join('/')}?${query}&timeoutSeconds=1`
          for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
            await send(api, path, { method, headers: accept === '' ? {} : { accept } })
          }
        },
      ),
      { numRuns: 80 },
    )
  }),
)
