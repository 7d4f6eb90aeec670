/**
 * One end of flows, as a process in the network namespace of its place: a server on port 8080 (TCP and UDP) that answers with its name and the
 * address it saw, and a client that is told what to reach by lines of JSON: `{ id, ip, port, protocol, source, sourcePort, places, attempts, patienceMs }`.
 * It tries until each of `places` has answered, or one attempt ended otherwise, and prints `{ id, answers, failure }`.
 *
 * Port 8081 keeps connections open and says its name for each line it gets. `{ id, open: COUNT, ip, port }` opens connections there and keeps them,
 * `{ id, speak: true, patienceMs }` says a line on each: `answers` has what came back, one for each that still lives.
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
createServer(socket => {
  socket.on('error', () => {})
  socket.on('data', () => socket.write(name))
}).listen(8081, '0.0.0.0')
const udpServer = createSocket('udp4')
udpServer.on('message', (_, peer) => udpServer.send(`${name} ${peer.address}`, peer.port, peer.address))
udpServer.bind(port, '0.0.0.0', () => process.stdout.write('ready\n'))

const kept = []
for await (const line of createInterface(process.stdin)) {
  const { id, places, attempts, open, speak, ...target } = JSON.parse(line)
  if (open !== undefined || speak) {
    for (let i = 0; i < (open ?? 0); i++) kept.push(await keep(target))
    const heard = speak ? await Promise.all(kept.map(socket => speakOn(socket, target.patienceMs))) : []
    process.stdout.write(`${JSON.stringify({ id, answers: heard.filter(answer => answer !== undefined) })}\n`)
    continue
  }
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

function keep({ ip, port, source }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: ip, port, localAddress: source })
    socket.once('connect', () => resolve(socket.off('error', reject).on('error', () => {})))
    socket.once('error', reject)
  })
}

/** Undefined when nothing comes back. */
function speakOn(socket, patienceMs) {
  return new Promise(resolve => {
    const finish = answer => {
      clearTimeout(timer)
      socket.off('data', heard).off('close', finish)
      resolve(answer)
    }
    const heard = data => finish(data.toString())
    const timer = setTimeout(finish, patienceMs)
    socket.once('data', heard).once('close', () => finish())
    if (socket.destroyed) finish()
    else socket.write('hello')
  })
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
