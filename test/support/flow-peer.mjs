/**
 * One end of flows, as a process in the network namespace of its place: a server on port 8080 (TCP and UDP) that answers with its name and the
 * address it saw, and a client that is told what to reach by lines of JSON: `{ id, ip, port, protocol, source, sourcePort, places, attempts, patienceMs }`.
 * It tries until each of `places` has answered, or one attempt ended otherwise, and prints `{ id, answers, failure }`.
 */
import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'

const [name] = process.argv.slice(2)
const port = 8080

createServer(socket => {
  socket.on('error', () => {})
  socket.end(`${name} ${socket.remoteAddress.replace('::ffff:', '')}`)
}).listen(port, '0.0.0.0')
const udpServer = createSocket('udp4')
udpServer.on('message', (_, peer) => udpServer.send(`${name} ${peer.address}`, peer.port, peer.address))
udpServer.bind(port, '0.0.0.0', () => process.stdout.write('ready\n'))

for await (const line of createInterface(process.stdin)) {
  const { id, places, attempts, ...target } = JSON.parse(line)
  const answers = new Set()
  let failure
  for (
    let i = 0;
    i < attempts && failure === undefined && !places.every(place => [...answers].some(answer => answer.startsWith(`${place} `)));
    i++
  ) {
    try {
      answers.add(await (target.protocol === 'udp' ? askUdp(target) : askTcp(target)))
    } catch (error) {
      failure = error.code
    }
  }
  process.stdout.write(`${JSON.stringify({ id, answers: [...answers], failure })}\n`)
}

function askTcp({ ip, port, source, patienceMs }) {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect({ host: ip, port, localAddress: source })
    socket.setTimeout(patienceMs, () => socket.destroy(Object.assign(new Error('silence'), { code: 'SILENCE' })))
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('end', () => resolve(text))
    socket.on('error', reject)
  })
}

function askUdp({ ip, port, source, sourcePort = 0, patienceMs }) {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    const timer = setTimeout(() => finish(reject, Object.assign(new Error('silence'), { code: 'SILENCE' })), patienceMs)
    const finish = (how, what) => {
      clearTimeout(timer)
      socket.close()
      how(what)
    }
    socket.on('message', message => finish(resolve, message.toString()))
    socket.on('error', error => finish(reject, error))
    socket.bind(sourcePort, source, () => socket.connect(port, ip, () => socket.send('hello')))
  })
}
