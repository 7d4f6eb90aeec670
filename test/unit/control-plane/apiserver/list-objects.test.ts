import t from 'tap'

import { apiRequest, type RawAnswer } from '../../../support/api-request.js'
import { type TestApiServer, withApiServer } from '../../../support/api-server.js'

const maps = '/api/v1/namespaces/default/configmaps'
const make = (api: TestApiServer, name: string, labels = {}) =>
  apiRequest(api, maps, { method: 'POST', body: { metadata: { name, labels } } })
const remove = (api: TestApiServer, name: string) => apiRequest(api, `${maps}/${name}`, { method: 'DELETE' })

interface List {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string; readonly remainingItemCount?: number }
  readonly items: readonly { readonly metadata: { readonly name: string } }[]
}
const names = ({ json }: RawAnswer<List>): string[] => json.items.map(({ metadata }) => metadata.name)
const list = (api: TestApiServer, query = '') => apiRequest<List>(api, `${maps}?${query}`)
const refusal = (api: TestApiServer, query: string, path = maps) => apiRequest(api, `${path}?${query}`)

t.test('selectors', t =>
  withApiServer(t, async api => {
    for (const name of ['e', 'c', 'a', 'd', 'b']) await make(api, name, { odd: String('ace'.includes(name)) })
    t.strictSame(names(await list(api)), ['a', 'b', 'c', 'd', 'e'])
    t.strictSame(names(await list(api, 'labelSelector=odd%3Dtrue')), ['a', 'c', 'e'])
    t.strictSame(names(await list(api, 'fieldSelector=metadata.name%3Dd')), ['d'])
    t.strictSame(names(await list(api, 'fieldSelector=metadata.namespace%3Dother')), [])
    const { metadata } = (await list(api, 'labelSelector=odd%3Dtrue&limit=1')).json
    t.ok(metadata.continue)
    t.equal(metadata.remainingItemCount, undefined, 'nobody has counted what a selector leaves')

    const only = 'only "metadata.name", "metadata.namespace"'
    t.match(await refusal(api, 'fieldSelector=data.x%3Dd'), {
      status: 400,
      json: { message: `"data.x" is not a known field selector: ${only}` },
    })
    t.match(await refusal(api, 'fieldSelector=data.x%3Dd', '/api/v1/pods'), {
      status: 400,
      json: { message: 'field label not supported: data.x' },
    })
    t.match(await refusal(api, 'labelSelector=%3D%3D'), { status: 400, json: { reason: 'BadRequest' } })
  }),
)

t.test('pages show the cluster as it was at the first one; when that is forgotten, the rest may still be had', t =>
  withApiServer(t, async api => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await make(api, name)
    const first = await list(api, 'limit=2')
    t.strictSame(names(first), ['a', 'b'])
    t.equal(first.json.metadata.remainingItemCount, 3)
    await make(api, 'bb')
    await remove(api, 'd')
    const second = await list(api, `limit=2&continue=${first.json.metadata.continue}`)
    t.strictSame(names(second), ['c', 'd'])
    t.match(second.json.metadata, { resourceVersion: first.json.metadata.resourceVersion, remainingItemCount: 1 })
    const third = await list(api, `limit=2&continue=${second.json.metadata.continue}`)
    t.strictSame(names(third), ['e'])
    t.notOk(third.json.metadata.continue)

    await api.store.compact(api.store.revision)
    const gone = await refusal(api, `limit=2&continue=${first.json.metadata.continue}`)
    t.match(gone, { status: 410, json: { reason: 'Expired', metadata: { continue: /./ } } })
    const rest = await list(api, `limit=2&continue=${gone.json.metadata.continue}`)
    t.strictSame(names(rest), ['bb', 'c'], 'as it is now')
    t.strictSame(names(await list(api, `limit=2&continue=${rest.json.metadata.continue}`)), ['e'])
    t.match(await refusal(api, 'continue=nonsense'), { status: 400, json: { message: 'continue key is not valid' } })
    t.match(await refusal(api, `continue=${rest.json.metadata.continue}&resourceVersion=1`), {
      status: 400,
      json: { message: 'specifying resource version is not allowed when using continue' },
    })
  }),
)

t.test('resourceVersion and resourceVersionMatch', t =>
  withApiServer(t, async api => {
    await make(api, 'a')
    const old = (await list(api)).json.metadata.resourceVersion
    await make(api, 'b')
    const current = (await list(api)).json.metadata.resourceVersion
    const exact = `resourceVersionMatch=Exact&resourceVersion=`
    t.strictSame(names(await list(api, `${exact}${old}`)), ['a'])
    t.strictSame(names(await list(api, `resourceVersion=${old}&limit=5`)), ['a'], 'pages begin at the version that is named')
    t.strictSame(names(await list(api, `resourceVersion=${old}`)), ['a', 'b'])
    t.strictSame(names(await list(api, `resourceVersionMatch=NotOlderThan&resourceVersion=${old}&limit=5`)), ['a', 'b'])
    t.strictSame(names(await list(api, 'resourceVersion=0&limit=5')), ['a', 'b'])

    const future = Number(current) + 1000
    for (const query of [`resourceVersion=${future}`, `${exact}${future}`]) {
      t.match(await refusal(api, query), {
        status: 504,
        json: { reason: 'Timeout', details: { causes: [{ reason: 'ResourceVersionTooLarge' }], retryAfterSeconds: 1 } },
      })
    }
    const forbidden: Record<string, string> = {
      'resourceVersionMatch=Exact': 'unless resourceVersion is provided',
      'resourceVersionMatch=Exact&resourceVersion=1&continue=x': 'when continue is provided',
      [`${exact}0`]: 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
      'resourceVersionMatch=Other&resourceVersion=1': 'Unsupported value: "Other"',
      'sendInitialEvents=true': 'sendInitialEvents is forbidden for list',
    }
    for (const [query, message] of Object.entries(forbidden)) t.match(await refusal(api, query), { status: 422, json: { message } }, query)
    t.match(await refusal(api, 'resourceVersion=x'), { status: 400, json: { message: 'resourceVersion: Invalid value: "x"' } })
    t.match(await refusal(api, 'limit=-1'), { status: 400 })

    await api.store.compact(api.store.revision)
    t.match(await refusal(api, `${exact}${old}`), { status: 410, json: { reason: 'Expired' } })
  }),
)
