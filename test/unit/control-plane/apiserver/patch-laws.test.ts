/** Laws of every patch, over objects of many kinds with fields of any values. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { parseAllDocuments } from 'yaml'

import { apiPathOf } from '../../../../src/api/api-resource.js'
import type { JsonObject } from '../../../../src/api/json.js'
import { resourceTable } from '../../../../src/api/resource-table.js'
import { anyVariant } from '../../../support/any-object.js'
import { apiRequest } from '../../../support/api-request.js'
import { withApiServer } from '../../../support/api-server.js'

// The same requests each time; PODWIRE_SEED sends others.
fc.configureGlobal({ seed: Number(process.env.PODWIRE_SEED ?? 1) })

const kinds = ['ConfigMap', 'Pod', 'Service', 'Deployment', 'StatefulSet', 'CronJob', 'Ingress', 'NetworkPolicy', 'ClusterRole', 'Node']
const valid = parseAllDocuments(readFileSync(new URL('../../../golden/kubectl/every-kind.yaml', import.meta.url), 'utf8')).map(
  document => document.toJS() as JsonObject & { readonly kind: string; readonly metadata: JsonObject & { readonly name: string } },
)

t.test('what is applied again changes nothing, nor does an object patched with itself', t =>
  withApiServer(t, async api => {
    let applied = 0
    for (const kind of kinds) {
      const row = resourceTable.find(other => other.kind === kind && !other.storedAs)!
      const { status: _, ...base } = valid.find(other => other.kind === kind)!
      const path = apiPathOf(row, { namespace: 'default', name: 'one' })
      const patch = (type: string, body: object, query = '') =>
        apiRequest(api, `${path}${query}`, { method: 'PATCH', headers: { 'content-type': `application/${type}` }, body })
      const apply = (body: JsonObject, manager: string) =>
        patch(
          'apply-patch+yaml',
          { ...body, metadata: { name: 'one', labels: { [manager]: 'applies' } } },
          `?force=true&fieldManager=${manager}`,
        )
      await fc.assert(
        fc.asyncProperty(anyVariant(row, base), anyVariant(row, base), async (first, second) => {
          await apiRequest(api, path, { method: 'DELETE', body: { gracePeriodSeconds: 0 } })
          for (const [body, manager] of [
            [base, 'one'],
            [first, 'one'],
            [second, 'two'],
            [first, 'one'],
          ] as const) {
            const { status, json } = await apply(body, manager)
            if (status >= 300) continue
            applied++
            const again = await apply(body, manager)
            if (again.json.metadata?.resourceVersion !== json.metadata.resourceVersion) throw new Error(`applied again: ${again.text}`)
            const { managedFields: _, ...metadata } = json.metadata
            for (const type of ['merge-patch+json', 'strategic-merge-patch+json']) {
              const same = await patch(type, { ...json, metadata })
              if (same.json.metadata?.resourceVersion !== metadata.resourceVersion) throw new Error(`${type} with itself: ${same.text}`)
            }
          }
        }),
        { numRuns: 4 },
      )
    }
    t.ok(applied > kinds.length * 4, 'many are taken')
  }),
)

t.test('an item without its key is the one whose key is empty', t =>
  withApiServer(t, async api => {
    const path = '/api/v1/namespaces/default/serviceaccounts/one?fieldManager=me'
    const body = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'one' }, imagePullSecrets: [{}] }
    const apply = () => apiRequest(api, path, { method: 'PATCH', headers: { 'content-type': 'application/apply-patch+yaml' }, body })
    const { json } = await apply()
    t.strictSame((await apply()).json, json)
  }),
)
