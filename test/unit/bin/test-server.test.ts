import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

import t from 'tap'

import { localMachine } from '../../../src/kernel/local-machine.js'

t.test('the test server tells what it saw of its client', async t => {
  const argv = [
    process.execPath,
    '--import',
    'tsx',
    'bin/test-server.ts',
    '--address',
    '127.0.0.1',
    '--http',
    '0',
    '--tcp',
    '0',
    '--udp',
    '0',
  ]
  const server = localMachine.start(argv, { env: { POD_NAME: 'web-1' } })
  t.teardown(() => server.stop())
  const ports: Record<string, number> = {}
  const lines = createInterface({ input: server.stdout! })
  for await (const line of lines) {
    const [protocol = '', port = ''] = line.split(/ .*:/)
    ports[protocol] = Number(port)
    if (Object.keys(ports).length === 3) break
  }
  const get = (path: string) => fetch(`http://127.0.0.1:${ports.http}${path}`)
  const text = async (path: string) => (await get(path)).text()

  t.match(await (await get('/a?b=1')).json(), {
    pod: 'web-1',
    protocol: 'http',
    client: { address: '127.0.0.1', port: Number },
    server: { address: '127.0.0.1', port: ports.http },
    method: 'GET',
    path: '/a?b=1',
    headers: { host: `127.0.0.1:${ports.http}` },
  })
  t.equal(await text('/hostname'), 'web-1')
  t.match(await text('/clientip'), /^127\.0\.0\.1:\d+$/)
  t.equal(await text('/bytes/5'), 'xxxxx')
  t.equal((await get('/readyz')).status, 200)
  await get('/ready/off')
  t.equal((await get('/readyz')).status, 503)
  t.equal((await get('/healthz')).status, 200)
  await get('/ready/on')
  t.equal((await get('/readyz')).status, 200)

  const socket = connect(ports.tcp!, '127.0.0.1')
  const port = await once(socket, 'connect').then(() => socket.localPort)
  socket.end('one\ntwo\n')
  const answers: unknown[] = []
  for await (const line of createInterface({ input: socket })) answers.push(JSON.parse(line))
  const seen = { pod: 'web-1', protocol: 'tcp', client: { address: '127.0.0.1', port } }
  t.match(answers, [
    { ...seen, echo: 'one' },
    { ...seen, echo: 'two' },
  ])

  const datagram = createSocket('udp4')
  datagram.send('nonce-7', ports.udp!, '127.0.0.1')
  const [message] = (await once(datagram, 'message')) as [Buffer]
  t.match(JSON.parse(message.toString()), { pod: 'web-1', protocol: 'udp', client: { port: datagram.address().port }, echo: 'nonce-7' })
  datagram.close()

  await get('/exit/3').catch(() => undefined)
  t.equal(await server.ended, 3)
})
