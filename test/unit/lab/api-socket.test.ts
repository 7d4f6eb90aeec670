import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'

import { localMachine } from '../../../src/kernel/local-machine.js'
import { openApiSocket } from '../../../src/lab/api-socket.js'

t.test('a server that gets the descriptor serves on after the opener has closed its end', async t => {
  const socket = await openApiSocket(0)
  const program = "require('node:net').createServer(connection => connection.end('served')).listen({ fd: 3 })"
  const server = localMachine.start([process.execPath, '--eval', program], { fds: [socket.fd] })
  t.teardown(() => server.stop())
  socket.close()
  const client = connect(socket.port, '127.0.0.1')
  const [answer] = await once(client, 'data')
  t.equal(String(answer), 'served')
})

t.test('a taken port is named, with what to change', async t => {
  const first = await openApiSocket(0)
  t.teardown(() => first.close())
  await t.rejects(openApiSocket(first.port), {
    code: 'PORT_IN_USE',
    message: `port ${first.port} of 127.0.0.1 is taken by another program`,
    hint: /api\.port/,
  })
})
