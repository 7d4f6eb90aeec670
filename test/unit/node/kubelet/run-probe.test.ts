import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'

import t, { type Test } from 'tap'

import { systemClock } from '../../../../src/base/time/clock.js'
import { type ProbeAction, runProbe } from '../../../../src/node/kubelet/run-probe.js'
import { fakePodRuntime } from '../../../support/fake-pod-runtime.js'

const runtime = fakePodRuntime(systemClock, [])

function probe(action: ProbeAction, port: number, timeoutSeconds = 5) {
  const container = { name: 'main', ports: [{ name: 'web', containerPort: port }] }
  const target = { container, containerId: 'c1', ip: '127.0.0.1' }
  return runProbe(action, { target, timeoutSeconds, runtime }, new AbortController().signal)
}

async function withHttpServer(t: Test, use: (port: number, seen: string[]) => Promise<void>): Promise<void> {
  const seen: string[] = []
  const server = createHttpServer((request, response) => {
    seen.push(`${request.url} ${request.headers.host} ${request.headers['x-test'] ?? ''}`)
    if (request.url !== '/hangs') response.writeHead(Number(request.url?.slice(1)) || 200).end('body')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  await use((server.address() as AddressInfo).port, seen)
}

t.test('HTTP', async t => {
  await withHttpServer(t, async (port, seen) => {
    const httpGet = (path: string) => ({ httpGet: { path, port: 'web' } })
    t.match(await probe(httpGet('/200'), port), { isSuccess: true })
    t.match(await probe(httpGet('/399'), port), { isSuccess: true })
    t.match(await probe(httpGet('/404'), port), { isSuccess: false, message: 'HTTP probe failed with statuscode: 404' })
    t.match(await probe(httpGet('/hangs'), port, 0.1), { isSuccess: false, message: /timed out/ })
    const httpHeaders = [
      { name: 'Host', value: 'shop.example' },
      { name: 'X-Test', value: 'yes' },
    ]
    await probe({ httpGet: { path: 'no-slash', port, httpHeaders } }, port)
    t.equal(seen.at(-1), '/no-slash shop.example yes')
    t.match(await probe({ httpGet: { path: '/', port: 'unnamed' } }, port), { isSuccess: false, message: /find port: unnamed/ })
  })
})

t.test('TCP', async t => {
  const server = createServer(socket => socket.destroy())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  t.match(await probe({ tcpSocket: { port: 'web' } }, port), { isSuccess: true })
  await new Promise(resolve => server.close(resolve))
  t.match(await probe({ tcpSocket: { port } }, port), { isSuccess: false, message: /ECONNREFUSED/ })
})

t.test('a container that is gone fails its probe', async t => {
  t.match(await probe({ exec: { command: ['true'] } }, 1), { isSuccess: false, message: /unknown/ })
  t.match(await probe({}, 1), { isSuccess: false })
})
