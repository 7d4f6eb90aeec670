/** Who may ask a node, and for what. The sessions themselves are the runtime's: the lab tests have them. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'

import type { Pod } from '../../../../src/api/generated/types.js'
import { systemClock } from '../../../../src/base/time/clock.js'
import type { StreamingRuntime } from '../../../../src/node/kubelet/cri-streaming.js'
import { serveNode } from '../../../../src/node/kubelet/node-server.js'
import { fakePodRuntime } from '../../../support/fake-pod-runtime.js'
import { kubeletConfig } from '../../../support/kubelet-config.js'
import { createTestPki } from '../../../support/test-pki.js'
import { until } from '../../../support/until.js'
import { requestUpgrade } from '../../../support/upgrade-request.js'

const web: Pod = {
  metadata: { name: 'web', namespace: 'shop', uid: 'u1' },
  spec: { containers: [{ name: 'web', image: 'x' }] },
  status: {
    containerStatuses: [
      { name: 'web', image: '', imageID: '', ready: false, restartCount: 0, state: { waiting: { reason: 'ErrImagePull' } } },
    ],
  },
}
const noStreams: StreamingRuntime = {
  exec: async () => Promise.reject(new Error('unexpected')),
  attach: async () => Promise.reject(new Error('unexpected')),
  portForward: async () => Promise.reject(new Error('unexpected')),
}

/** A port that nobody has now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

t.test('a node answers the API server and nobody else', async t => {
  const pki = await createTestPki()
  const port = await freePort()
  const stop = new AbortController()
  const serve = (signal: AbortSignal) =>
    serveNode(
      {
        serving: { port, tls: { ca: pki.ca, ...pki.server, client: 'kube-apiserver' }, streaming: noStreams },
        config: { ...kubeletConfig, nodeAddress: '127.0.0.1' },
        runtime: fakePodRuntime(systemClock, []),
        clock: systemClock,
        log: { info() {}, warn() {}, error() {} },
        pod: (namespace, name) => (namespace === 'shop' && name === 'web' ? web : undefined),
      },
      signal,
    )
  const running = serve(stop.signal)
  const base = { host: '127.0.0.1', port, ca: pki.ca }
  const server = await pki.client('kube-apiserver')
  const ask = async (path: string, { method = 'POST', ...identity }: { method?: string; cert?: string; key?: string } = server) =>
    requestUpgrade({ ...base, ...identity, method, path })
  await until('the node listens', () =>
    ask('/').then(
      () => true,
      () => false,
    ),
  )

  const exec = '/exec/shop/web/web?output=1&command=ls'
  t.strictSame(await ask(exec, {}), { status: 401, body: 'Unauthorized' }, 'no certificate')
  t.match(await ask(exec, await (await createTestPki()).client('kube-apiserver')), { status: 401 }, 'a certificate of another authority')
  t.match(await ask(exec, await pki.client('system:node:node-2')), { status: 403, body: /user=system:node:node-2/ })
  t.match(await ask(exec), { status: 500, body: 'container not found ("web")' })
  t.match(await ask('/attach/shop/web/web?output=1'), { status: 500, body: 'container not found ("web")' })
  t.match(await ask('/portForward/shop/web'), { status: 500, body: /failed to find sandbox/ })
  t.match(await ask('/exec/shop/other/web?output=1&command=ls'), { status: 404, body: 'pod does not exist' })
  const get = { ...server, method: 'GET' }
  t.match(await ask('/containerLogs/shop/web/web', get), { status: 400, body: /waiting to start: image can't be pulled/ })
  t.match(await ask('/containerLogs/shop/web/nobody', get), { status: 404, body: 'container "nobody" not found in pod "web"' })
  t.match(await ask('/containerLogs/shop/web/web?tailLines=x', get), { status: 400 })
  t.match(await ask('/containerLogs/shop/web/web'), { status: 405 })
  for (const path of ['/', '/pods', '/exec/shop/web', '/exec/shop/web/web/more', '/exec/%zz/web/web', '/portForward//web']) {
    t.match(await ask(path), { status: 404 }, path)
  }

  await t.rejects(serve(stop.signal), { code: 'PORT_IN_USE', message: new RegExp(`127.0.0.1:${port}`) })
  stop.abort()
  await running
  await t.rejects(ask('/'), { code: 'ECONNREFUSED' })
})
