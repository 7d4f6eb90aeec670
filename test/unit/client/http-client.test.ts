import { once } from 'node:events'
import { createServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { configmaps, nodes, pods } from '../../../src/api/generated/resources.js'
import { isPodwireError } from '../../../src/base/errors/podwire-error.js'
import { createClient } from '../../../src/client/http-client.js'
import { statusOf } from '../../../src/client/status.js'

type Handler = (request: Http2ServerRequest, response: Http2ServerResponse, body: string) => void

/** An HTTP/2 server without TLS that answers as the test says. */
async function withServer(t: Test, handler: Handler, port = 0) {
  const sessions = new Set<ServerHttp2Session>()
  const server = createServer()
  server.on('session', session => sessions.add(session))
  server.on('request', async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    handler(request, response, body)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  const kill = async () => {
    for (const session of sessions) session.destroy()
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  t.teardown(kill)
  return { url: `http://127.0.0.1:${address.port}`, port: address.port, kill, sessions }
}

const never = new AbortController().signal

t.test('requests go to the paths, with the queries and content types of the API', async t => {
  const seen: unknown[] = []
  const { url, sessions } = await withServer(t, (request, response, body) => {
    seen.push([
      request.method,
      request.url,
      request.headers['content-type'],
      request.headers.authorization,
      body === '' ? '' : JSON.parse(body),
    ])
    response.end(
      request.method === 'GET' && !request.url.includes('/one')
        ? '{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"one"}}]}'
        : '{"kind":"Answer"}',
    )
  })
  const client = createClient({ server: url, token: 'secret', namespace: 'mine' })
  t.teardown(() => client.close())
  const at = { namespace: 'shop', name: 'one' }
  t.same(await client.get(pods, at), { kind: 'Answer' })
  t.same(await client.list(pods, { labelSelector: 'app in (a,b)', limit: 2 }), {
    metadata: { resourceVersion: '7' },
    items: [{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'one' } }],
  })
  await client.create(configmaps, { metadata: { name: 'c' } })
  await client.update(nodes, { metadata: { name: 'n' } })
  await client.updateStatus(pods, { metadata: at })
  await client.createSub(pods, at, 'binding', { target: { name: 'node-1' } })
  await client.patch(pods, at, { a: null }, { type: 'apply', fieldManager: 'me', force: true, subresource: 'status' })
  await client.delete(pods, at, { uid: 'u', propagationPolicy: 'Orphan', gracePeriodSeconds: 0 })
  t.equal(await client.raw('GET', '/version/one'), '{"kind":"Answer"}')
  const json = 'application/json'
  const as = 'Bearer secret'
  t.strictSame(seen, [
    ['GET', '/api/v1/namespaces/shop/pods/one', undefined, as, ''],
    ['GET', '/api/v1/pods?labelSelector=app+in+%28a%2Cb%29&limit=2', undefined, as, ''],
    ['POST', '/api/v1/namespaces/mine/configmaps', json, as, { metadata: { name: 'c' }, apiVersion: 'v1', kind: 'ConfigMap' }],
    ['PUT', '/api/v1/nodes/n', json, as, { metadata: { name: 'n' }, apiVersion: 'v1', kind: 'Node' }],
    ['PUT', '/api/v1/namespaces/shop/pods/one/status', json, as, { metadata: at, apiVersion: 'v1', kind: 'Pod' }],
    ['POST', '/api/v1/namespaces/shop/pods/one/binding', json, as, { target: { name: 'node-1' } }],
    ['PATCH', '/api/v1/namespaces/shop/pods/one/status?fieldManager=me&force=true', 'application/apply-patch+yaml', as, { a: null }],
    [
      'DELETE',
      '/api/v1/namespaces/shop/pods/one',
      json,
      as,
      { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Orphan', gracePeriodSeconds: 0, preconditions: { uid: 'u' } },
    ],
    ['GET', '/version/one', undefined, as, ''],
  ])
  t.equal(sessions.size, 1, 'over one connection')
})

t.test('error answers become typed errors with the Status kept', async t => {
  const answers: readonly [number, string][] = [
    [404, '{"kind":"Status","code":404,"reason":"NotFound","message":"pods \\"a\\" not found"}'],
    [409, '{"kind":"Status","code":409,"reason":"AlreadyExists","message":"there"}'],
    [409, '{"kind":"Status","code":409,"reason":"Conflict","message":"changed"}'],
    [410, '{"kind":"Status","code":410,"reason":"Expired","message":"old"}'],
    [422, '{"kind":"Status","code":422,"reason":"Invalid","message":"bad"}'],
    [502, 'Bad gateway'],
  ]
  let next = 0
  const { url } = await withServer(t, (_request, response) => {
    const [status, body] = answers[next++]!
    response.writeHead(status)
    response.end(body)
  })
  const client = createClient({ server: url })
  t.teardown(() => client.close())
  const codes = []
  for (const _ of answers) {
    const error = await client.get(pods, { namespace: 'x', name: 'a' }).catch(error => error)
    codes.push([error.code, statusOf(error)?.message])
  }
  t.strictSame(codes, [
    ['NOT_FOUND', 'pods "a" not found'],
    ['ALREADY_EXISTS', 'there'],
    ['CONFLICT', 'changed'],
    ['REVISION_TOO_OLD', 'old'],
    ['API_REFUSED', 'bad'],
    ['API_REFUSED', 'Bad gateway'],
  ])
})

t.test('a server that is away is API_UNREACHABLE, and reached again when it is back', async t => {
  const ok: Handler = (_request, response) => response.end('{}')
  const first = await withServer(t, ok)
  const client = createClient({ server: first.url })
  t.teardown(() => client.close())
  await client.raw('GET', '/version')
  await first.kill()
  await t.rejects(client.raw('GET', '/version'), { code: 'API_UNREACHABLE' })
  await withServer(t, ok, first.port)
  t.equal(await client.raw('GET', '/version'), '{}')
})

t.test('watch', async t => {
  const event = (type: string, version: number, text = '') =>
    `${JSON.stringify({ type, object: { metadata: { name: 'ü', resourceVersion: String(version) }, data: { text } } })}\n`
  const watchOf = async (t: Test, handler: Handler) => {
    const server = await withServer(t, handler)
    const client = createClient({ server: server.url })
    t.teardown(() => client.close())
    return { ...server, client }
  }

  t.test('yields events cut anywhere, and ends when the server ends it', async t => {
    const { client } = await watchOf(t, (_request, response) => {
      const bytes = Buffer.from(event('ADDED', 1) + event('MODIFIED', 2, 'ä'.repeat(70_000)) + event('BOOKMARK', 3))
      for (let i = 0; i < bytes.length; i += 7) response.write(bytes.subarray(i, i + 7))
      response.end()
    })
    const types = []
    for await (const { type, object } of client.watch(configmaps, { resourceVersion: '0' }, never))
      types.push([type, object.metadata?.name])
    t.strictSame(types, [
      ['ADDED', 'ü'],
      ['MODIFIED', 'ü'],
      ['BOOKMARK', 'ü'],
    ])
  })

  t.test('an ERROR event is thrown as its code', async t => {
    const { client } = await watchOf(t, (_request, response) => {
      response.end(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } })}\n`)
    })
    await t.rejects(client.watch(configmaps, {}, never)[Symbol.asyncIterator]().next(), { code: 'REVISION_TOO_OLD' })
  })

  t.test('a broken connection is API_UNREACHABLE, not an end', async t => {
    const { client, sessions } = await watchOf(t, (_request, response) => response.write(event('ADDED', 1)))
    const events = client.watch(configmaps, {}, never)[Symbol.asyncIterator]()
    t.equal((await events.next()).value.type, 'ADDED')
    for (const session of sessions) session.destroy()
    await t.rejects(events.next(), { code: 'API_UNREACHABLE' })
  })

  t.test('aborting throws the reason', async t => {
    const { client } = await watchOf(t, (_request, response) => response.write(event('ADDED', 1)))
    const stop = new AbortController()
    const events = client.watch(configmaps, {}, stop.signal)[Symbol.asyncIterator]()
    await events.next()
    const next = events.next()
    stop.abort(new Error('enough'))
    await t.rejects(next, { message: 'enough' })
  })

  t.test('a slow reader does not hold up others on the connection', async t => {
    const { client } = await watchOf(t, (request, response) => {
      if (request.url === '/version') response.end('{}')
      else for (let i = 0; i < 60; i++) response.write(event('MODIFIED', i, 'x'.repeat(65_536)))
    })
    const events = client.watch(configmaps, {}, never)[Symbol.asyncIterator]()
    await events.next()
    t.equal(await client.raw('GET', '/version'), '{}')
    await events.return?.()
  })
})

t.test('an aborted request rejects with the reason', async t => {
  const { url } = await withServer(t, () => {})
  const client = createClient({ server: url })
  t.teardown(() => client.close())
  const stop = new AbortController()
  const pending = client.raw('GET', '/version', undefined, stop.signal)
  setImmediate(() => stop.abort(new Error('enough')))
  await t.rejects(pending, { message: 'enough' })
  t.notOk(isPodwireError(await pending.catch(error => error)))
})

t.test('an abort counts at whatever moment it comes', async t => {
  const { url } = await withServer(t, () => {})
  for (let turns = 0; turns < 6; turns++) {
    const client = createClient({ server: url })
    t.teardown(() => client.close())
    const stop = new AbortController()
    const next = client.watch(configmaps, {}, stop.signal)[Symbol.asyncIterator]().next()
    for (let turn = 0; turn < turns; turn++) await undefined
    stop.abort(new Error('enough'))
    await t.rejects(next, { message: 'enough' }, `after ${turns} turns`)
  }
})

t.test('a ping that falls due while the connection closes is left out', async t => {
  const { url } = await withServer(t, (_request, response) => response.end('{"items":[]}'))
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const client = createClient({ server: url, namespace: 'mine' })
  await client.list(pods, {})
  client.close()
  t.doesNotThrow(() => mock.timers.tick(60_000))
})
