/**
 * One end of policy probes, as a process in the network namespace of its place. It listens for UDP on the ports of its arguments, in both families, and
 * is told by lines of JSON: `{ id, send: [{ key, protocol, ip, port }] }` sends them all, in order. TCP counts as arrived when the other end refuses it.
 * It prints `{ key }` for each probe that arrived, and `{ id }` when all are sent.
 */
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const say = what => process.stdout.write(`${JSON.stringify(what)}\n`)
const senders = {}
for (const [family, address] of [
  ['udp4', '0.0.0.0'],
  ['udp6', '::'],
]) {
  for (const port of process.argv.slice(2)) {
    const server = createSocket({ type: family, ipv6Only: family === 'udp6' })
    server.on('message', message => say({ key: message.toString() }))
    await new Promise(resolve => server.bind(Number(port), address, resolve))
  }
  senders[family] = createSocket(family)
  senders[family].on('error', () => {})
}
say({ id: 'ready' })

for await (const line of createInterface(process.stdin)) {
  const { id, send } = JSON.parse(line)
  for (const { key, protocol, ip, port } of send) {
    if (protocol === 'udp') {
      await new Promise(resolve => senders[ip.includes(':') ? 'udp6' : 'udp4'].send(key, port, ip, resolve))
      continue
    }
    const socket = connect({ host: ip, port })
    socket.on('error', ({ code }) => code === 'ECONNREFUSED' && say({ key }))
    socket.unref()
    // A denied attempt would be repeated into the next round.
    setTimeout(() => socket.destroy(), 900).unref()
  }
  say({ id })
}
