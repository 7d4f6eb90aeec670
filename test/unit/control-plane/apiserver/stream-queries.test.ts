import t from 'tap'

import { statusOf } from '../../../../src/api/status.js'
import { chooseContainer } from '../../../../src/control-plane/apiserver/pod-container.js'
import { logQuery, streamQuery } from '../../../../src/control-plane/apiserver/stream-queries.js'

const query = (text: string) => new URLSearchParams(text)
function refusalOf(act: () => unknown) {
  try {
    act()
  } catch (error) {
    return statusOf(error)
  }
  return undefined
}

const logQueries = {
  '': '',
  'follow=true&tailLines=5&container=web': 'tailLines=5&follow=true',
  'follow=false&previous=1&timestamps=': 'previous=true&timestamps=true',
  'tailLines=0&limitBytes=1&sinceSeconds=1': 'tailLines=0&limitBytes=1&sinceSeconds=1',
  'sinceTime=2026-11-23T22:25:00Z': 'sinceTime=2026-11-23T22%3A25%3A00Z',
  'insecureSkipTLSVerifyBackend=true&unknown=x': '',
}
for (const [asked, want] of Object.entries(logQueries)) {
  t.test(`log?${asked}`, async t => t.equal(String(logQuery('shop', query(asked))), want))
}

const badLogQueries = {
  'tailLines=-1': {
    code: 422,
    message: 'PodLogOptions "shop" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
  },
  'limitBytes=0': { code: 422, message: 'PodLogOptions "shop" is invalid: limitBytes: Invalid value: 0: must be greater than 0' },
  'limitBytes=0&sinceSeconds=0': { code: 422, details: { causes: [{ field: 'limitBytes' }, { field: 'sinceSeconds' }] } },
  'sinceSeconds=5&sinceTime=2026-11-23T22:25:00Z': { code: 422, message: /at most one of `sinceTime` or `sinceSeconds` may be specified/ },
  'tailLines=many': { code: 400, reason: 'BadRequest' },
  'tailLines=1e3': { code: 400 },
  'sinceTime=yesterday': { code: 400 },
  'sinceTime=2026-13-45T99:00:00Z': { code: 400 },
  'follow=perhaps': { code: 400 },
}
for (const [asked, want] of Object.entries(badLogQueries)) {
  t.test(`log?${asked}`, async t =>
    t.match(
      refusalOf(() => logQuery('shop', query(asked))),
      want,
    ),
  )
}

t.test('exec and attach: nodes have names of their own for the streams', async t => {
  const asked = query('stdin=true&stdout=1&stderr=false&tty=true&container=web&command=sh&command=-c&command=echo+a%26b')
  t.equal(String(streamQuery(asked)), 'input=1&output=1&tty=1&command=sh&command=-c&command=echo+a%26b')
  t.match(
    refusalOf(() => streamQuery(query('tty=true&command=sh'))),
    { code: 400, message: 'you must specify at least 1 of stdin, stdout, stderr' },
  )
})

t.test('which container is meant', async t => {
  const named = (...names: readonly string[]) => names.map(name => ({ name }))
  const one = { metadata: { name: 'shop' }, spec: { containers: named('web') } }
  const many = { metadata: { name: 'shop' }, spec: { containers: named('web', 'log'), initContainers: named('init') } }
  t.equal(chooseContainer(one, null), 'web')
  t.equal(chooseContainer(many, 'init'), 'init')
  t.match(
    refusalOf(() => chooseContainer(many, null)),
    {
      code: 400,
      message: 'a container name must be specified for pod shop, choose one of: [web log] or one of the init containers: [init]',
    },
  )
  t.match(
    refusalOf(() => chooseContainer(one, 'other')),
    { code: 400, message: 'container other is not valid for pod shop' },
  )
})
