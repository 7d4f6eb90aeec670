/** What keeps one client from taking the server from the others: bounded requests, timed ones, readers that must keep up. */
import { PassThrough, Writable } from 'node:stream'
import t from 'tap'

import { statusOf } from '../../../../src/api/status.js'
import type { ApiServerResponse } from '../../../../src/control-plane/apiserver/answers.js'
import { createRequestGate } from '../../../../src/control-plane/apiserver/request-limits.js'
import { createWatchSender } from '../../../../src/control-plane/apiserver/watch-sender.js'
import { apiRequest } from '../../../support/api-request.js'
import { withApiServer } from '../../../support/api-server.js'
import { until } from '../../../support/until.js'

const request = (method: string, text = '', groups: readonly string[] = []) => ({
  method,
  target: undefined,
  query: new URLSearchParams(text),
  groups,
})
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 200,
    error => statusOf(error).code,
  )

t.test('requests under way are bounded, reading and writing apart; watches and masters are let in', async t => {
  const gate = createRequestGate({ readOnly: 1, mutating: 1, timeoutMs: 60_000 })
  let finish = (): void => {}
  const first = gate.run(request('GET'), () => new Promise<void>(resolve => (finish = resolve)))
  t.equal(await codeOf(gate.run(request('GET'), async () => 1)), 429)
  t.equal(await codeOf(gate.run(request('POST'), async () => 1)), 200)
  t.equal(await codeOf(gate.run(request('GET', 'watch=true'), async () => 1)), 200)
  t.equal(await codeOf(gate.run(request('GET', '', ['system:masters']), async () => 1)), 200)
  const idle = gate.idle()
  finish()
  await first
  await idle
  t.equal(await codeOf(gate.run(request('GET'), async () => 1)), 200, 'there is room again')
})

t.test('a request may take as long as it says and no longer than the server allows', async t => {
  const gate = createRequestGate({ readOnly: 1, mutating: 1, timeoutMs: 20 })
  const never = () => new Promise<never>(() => {})
  t.equal(await codeOf(gate.run(request('GET'), never)), 504)
  t.equal(await codeOf(gate.run(request('GET', 'timeout=1ms'), never)), 504)
  t.equal(await codeOf(gate.run(request('GET', 'timeout=1h'), never)), 504)
  t.equal(await codeOf(gate.run(request('GET', 'timeout=soon'), async () => 1)), 400)
})

t.test('who is refused is told when to come again', async t => {
  await withApiServer(
    t,
    async api => {
      const identity = await api.pki.client('jane')
      const group = 'rbac.authorization.k8s.io'
      const binding = {
        apiVersion: `${group}/v1`,
        kind: 'ClusterRoleBinding',
        metadata: { name: 'jane' },
        subjects: [{ apiGroup: group, kind: 'User', name: 'jane' }],
        roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'cluster-admin' },
      }
      t.equal((await apiRequest(api, `/apis/${group}/v1/clusterrolebindings`, { method: 'POST', body: binding })).status, 201)
      const { status, headers, json } = await apiRequest(api, '/api/v1/pods', { identity })
      t.equal(status, 429)
      t.equal(headers['retry-after'], '1')
      t.match(json, { kind: 'Status', reason: 'TooManyRequests', details: { retryAfterSeconds: 1 } })
      t.equal((await apiRequest(api, '/api/v1/pods')).status, 200, 'who mends it is let in')
    },
    { limits: { readOnly: 0 } },
  )
})

t.test('health is told check by check', async t => {
  await withApiServer(t, async api => {
    const text = async (path: string) => {
      const { status, text } = await apiRequest(api, path)
      return [status, text]
    }
    t.strictSame(await text('/readyz'), [200, 'ok'])
    t.strictSame(await text('/readyz?verbose'), [200, '[+]ping ok\n[+]store ok\n[+]shutdown ok\nreadyz check passed\n'])
    t.strictSame(await text('/livez?verbose'), [200, '[+]ping ok\n[+]store ok\nlivez check passed\n'])
    t.strictSame(await text('/readyz/store'), [200, 'ok'])
    t.match(await text('/readyz?verbose&exclude=store'), [200, /\[\+\]store excluded: ok\n/])
    t.equal((await text('/readyz/unheard-of'))[0], 404)
  })
})

/** A connection whose other end takes nothing. */
const stuck = () => new Writable({ highWaterMark: 1, write() {} }) as unknown as ApiServerResponse

t.test('a reader that falls behind is cut off, and what it has not taken is not piled up without end', async t => {
  const response = stuck()
  const sender = createWatchSender(response)
  sender.goLive()
  sender.push('first\n')
  await until('the first event is on its way', () => response.writableLength > 0)
  for (let i = 0; i < 1000; i++) sender.push(`event ${i}\n`)
  t.notOk(response.destroyed, 'a thousand events behind is allowed')
  sender.push('one more\n')
  t.ok(response.destroyed)
})

t.test('a reader that keeps up gets everything in order, the present state in pieces', async t => {
  const response = new PassThrough({ highWaterMark: 64 })
  let text = ''
  response.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  const sender = createWatchSender(response as unknown as ApiServerResponse)
  sender.present(Array.from({ length: 5000 }, (_, i) => () => `now ${i}\n`))
  sender.push('then\n')
  sender.goLive()
  sender.end()
  await until('the answer has ended', () => response.readableEnded)
  const lines = text.trim().split('\n')
  t.equal(lines.length, 5001)
  t.strictSame([lines[0], lines[4999], lines[5000]], ['now 0', 'now 4999', 'then'])
})
