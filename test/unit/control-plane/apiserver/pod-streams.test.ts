/** The API server's side of logs and streams, against a node that this test plays. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'

import { nodes, pods } from '../../../../src/api/generated/resources.js'
import { createClient } from '../../../../src/client/http-client.js'
import { loadKubeconfig } from '../../../../src/client/kubeconfig.js'
import { type TestApiServer, withApiServer } from '../../../support/api-server.js'
import { requestUpgrade } from '../../../support/upgrade-request.js'

const never = new AbortController().signal

interface PlayedNode {
  readonly port: number
  /** What it was asked, and by whom. */
  readonly asked: string[]
}

/** A node that answers logs as the container's name says, and accepts every upgrade with an echo. */
async function playNode(t: Test, { pki }: TestApiServer): Promise<PlayedNode> {
  const asked: string[] = []
  const note = ({ socket, method, url }: IncomingMessage) =>
    asked.push(`${(socket as TLSSocket).getPeerCertificate().subject.CN} ${method} ${url}`)
  const answers: Readonly<Record<string, readonly [number, string]>> = {
    good: [200, 'one\ntwo\n'],
    waiting: [400, 'container "waiting" in pod "web" is waiting to start: ContainerCreating'],
    gone: [404, 'pod does not exist'],
    broken: [500, 'the disk is on fire'],
  }
  const server = createServer({ ...pki.server, ca: pki.ca, requestCert: true })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    note(request)
    const [status, body] = answers[/([^/]+)\?/.exec(request.url ?? '')?.[1] ?? ''] ?? [418, '']
    response.writeHead(status, { 'content-type': 'text/plain' }).end(body)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    note(request)
    socket.on('error', () => {})
    if (request.url?.includes('/broken')) {
      socket.end('HTTP/1.1 500 Internal Server Error\r\nContent-Length: 30\r\n\r\ncontainer not found ("broken")')
      return
    }
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n')
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, asked }
}

t.test('logs and streams go to the node that the Pod is on', t =>
  withApiServer(t, async api => {
    const node = await playNode(t, api)
    const client = createClient(loadKubeconfig(api.kubeconfig))
    t.teardown(() => client.close())
    const addNode = async (name: string, port: number) => {
      await client.create(nodes, { metadata: { name } }, never)
      const addresses = [{ type: 'InternalIP', address: '127.0.0.1' }]
      const status = { addresses, daemonEndpoints: { kubeletEndpoint: { Port: port } } }
      await client.patch(nodes, { name }, { status }, { type: 'merge', subresource: 'status' }, never)
    }
    const addPod = (name: string, nodeName: string | undefined, ...containers: readonly string[]) =>
      client.create(
        pods,
        {
          metadata: { name, namespace: 'default' },
          spec: { ...(nodeName !== undefined && { nodeName }), containers: containers.map(name => ({ name, image: 'x' })) },
        },
        never,
      )
    await addNode('here', node.port)
    await addNode('silent', 1) // Nobody listens there.
    await addPod('web', 'here', 'good', 'waiting', 'gone', 'broken')
    await addPod('lost', 'silent', 'good')
    await addPod('new', undefined, 'good')

    const { port } = api.server.addresses[0]!
    const tls = { host: '127.0.0.1', port, ca: api.pki.ca, ...api.admin }
    const at = '/api/v1/namespaces/default/pods'
    const get = async (path: string, headers: Record<string, string[]> = { connection: [], upgrade: [] }) => {
      const answer = await requestUpgrade({ ...tls, method: 'GET', path: `${at}/${path}`, headers })
      if ('socket' in answer) throw new Error('upgraded')
      return { ...answer, body: answer.body.startsWith('{') ? JSON.parse(answer.body) : answer.body }
    }

    t.strictSame(await get('web/log?container=good&tailLines=5'), { status: 200, body: 'one\ntwo\n' })
    t.equal(node.asked.at(-1), 'kube-apiserver GET /containerLogs/default/web/good?tailLines=5')
    t.match(await get('web/log?container=waiting'), {
      status: 400,
      body: { reason: 'BadRequest', message: /waiting to start: ContainerCreating$/ },
    })
    t.match(await get('web/log?container=gone'), {
      status: 404,
      body: { reason: 'NotFound', details: { causes: [{ message: 'pod does not exist' }] } },
    })
    t.match(await get('web/log?container=broken'), { status: 500, body: { message: 'Internal error occurred: the disk is on fire' } })
    t.match(await get('lost/log'), {
      status: 500,
      body: { message: /^Internal error occurred: error dialing backend: connect ECONNREFUSED/ },
    })
    t.strictSame(await get('new/log'), { status: 200, body: '' }, 'no node yet, no log yet')
    t.match(await get('web/log'), { status: 400, body: { message: /choose one of: \[good waiting gone broken\]$/ } })

    const open = (path: string, headers: Record<string, string> = {}) => requestUpgrade({ ...tls, path: `${at}/${path}`, headers })
    const refused = async (...args: Parameters<typeof open>) => {
      const answer = await open(...args)
      if ('socket' in answer) throw new Error('upgraded')
      return answer
    }
    for (const [path, want] of [
      ['web/exec?container=good&stdout=true&command=ls&command=-l', 'POST /exec/default/web/good?output=1&command=ls&command=-l'],
      ['web/attach?container=good&stdin=true&stdout=true', 'POST /attach/default/web/good?input=1&output=1'],
      ['web/portforward', 'POST /portForward/default/web?'],
    ] as const) {
      const upgraded = await open(path)
      if (!('socket' in upgraded)) throw new Error(upgraded.body)
      t.equal(node.asked.at(-1), `kube-apiserver ${want}`)
      upgraded.socket.write('ping')
      t.equal(String((await once(upgraded.socket, 'data'))[0]), 'ping')
      upgraded.socket.destroy()
    }
    const openWebSocket = async (path: string, protocol: string) => {
      const { host, ...rest } = tls
      const socket = new WebSocket(`wss://${host}:${port}${at}/${path}`, [protocol], rest)
      await once(socket, 'open')
      return socket
    }
    for (const protocol of ['v5.channel.k8s.io', 'v4.channel.k8s.io']) {
      const socket = await openWebSocket('web/exec?container=good&stdin=true&stdout=true&stderr=true&command=cat', protocol)
      t.equal(socket.protocol, protocol)
      t.equal(node.asked.at(-1), 'kube-apiserver POST /exec/default/web/good?input=1&output=1&error=1&command=cat')
      socket.send(Buffer.from('\0ping'))
      t.equal(String((await once(socket, 'message'))[0]), '\0ping', 'a stream there, its echo on the same channel')
      socket.terminate()
    }
    // `ws` takes no name with a slash for a protocol, so the tunnel's handshake is made by hand.
    const handshake = {
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io',
    }
    const tunnel = await requestUpgrade({ ...tls, method: 'GET', path: `${at}/web/portforward`, headers: handshake })
    if (!('socket' in tunnel)) throw new Error(tunnel.body)
    t.equal(tunnel.headers['sec-websocket-protocol'], 'SPDY/3.1+portforward.k8s.io')
    // A masked binary message of four bytes whose mask is nothing, and what the node's echo makes of it.
    tunnel.socket.write(Buffer.concat([Buffer.from([0x82, 0x84, 0, 0, 0, 0]), Buffer.from('ping')]))
    t.strictSame((await once(tunnel.socket, 'data'))[0], Buffer.concat([Buffer.from([0x82, 4]), Buffer.from('ping')]))
    tunnel.socket.destroy()
    t.match(await refused('web/exec?container=broken&stdout=true&command=ls'), { status: 500, body: 'container not found ("broken")' })
    t.match(await refused('lost/exec?stdout=true&command=ls'), { status: 500, body: /error dialing backend/ })
    t.match(await refused('new/exec?stdout=true&command=ls'), { status: 400, body: /pod new does not have a host assigned/ })
    t.match(await refused('web/exec?container=good&stdout=true'), { status: 400, body: /at least one command/ })
    t.match(await refused('web/exec?container=good&command=ls'), { status: 400, body: /at least 1 of stdin, stdout, stderr/ })
    t.match(await refused('nobody/portforward'), { status: 404, body: /pods \\"nobody\\" not found/ })
    t.match(await refused('web/portforward', { upgrade: 'h2c' }), { status: 400, body: /served over SPDY\/3\.1 and WebSocket/ })
    t.match(await refused('web/portforward', { upgrade: 'websocket' }), { status: 400, body: /no protocol that portforward is served by/ })
    const webSocket = { upgrade: 'websocket', 'sec-websocket-protocol': 'v5.channel.k8s.io' }
    t.match(await refused('web/exec?container=broken&stdout=true&command=ls', webSocket), {
      status: 500,
      body: 'container not found ("broken")',
    })
    t.match(await get('web/exec?container=good&stdout=true&command=ls'), { status: 400, body: { message: 'Upgrade request required' } })
    t.match(await refused(''), { status: 400, body: /not valid JSON/ }, 'other paths answer as ever')
  }),
)
