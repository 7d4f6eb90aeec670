import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, isIPv6, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { decode, encode } from 'dns-packet'

import type { ProbeAnswer, ProbeOutcome, ProbeResult, ProbeTask } from './probe-protocol.js'
import { ProbeRequest } from './probe-protocol.js'

/** Answers the tasks that come line by line until `input` ends. */
export async function serveProbes(input: NodeJS.ReadableStream, write: (line: string) => void): Promise<void> {
  const running = new Set<Promise<void>>()
  for await (const line of createInterface({ input })) {
    const { id, task } = ProbeRequest.parse(JSON.parse(line))
    const done = perform(task)
      .catch((error: unknown): ProbeResult => ({ outcome: 'unreachable', error: String(error) }))
      .then(result => write(`${JSON.stringify({ id, result } satisfies typeof ProbeAnswer._output)}\n`))
      .finally(() => running.delete(done))
    running.add(done)
  }
  await Promise.all(running)
}

async function perform(task: ProbeTask): Promise<ProbeResult> {
  switch (task.do) {
    case 'mark':
      return mark(task.payload)
    case 'read':
      return { outcome: 'delivered', files: readFiles(task.dir, task.suffix) }
    case 'tcp':
      return tcp(task)
    case 'udp':
      return datagram(task, Buffer.from(task.payload), body => ({ body: body.toString() }))
    case 'dns':
      return dns(task)
    case 'http':
      return http(task)
  }
}

/** To itself, so that no port is closed and no ICMP error follows. */
function mark(payload: string): Promise<ProbeResult> {
  const socket = createSocket('udp4')
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('message', () => resolve({ outcome: 'delivered' }))
    socket.bind(0, '127.0.0.1', () => socket.send(payload, socket.address().port, '127.0.0.1'))
  }).then(result => {
    socket.close()
    return result as ProbeResult
  })
}

function readFiles(dir: string, suffix: string): Record<string, string> {
  let names: string[] = []
  try {
    names = readdirSync(dir).filter(name => name.endsWith(suffix))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  return Object.fromEntries(names.map(name => [name, readFileSync(join(dir, name), 'utf8')]))
}

type Task<D extends ProbeTask['do']> = Extract<ProbeTask, { do: D }>

const outcomes: Readonly<Record<string, ProbeOutcome>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ETIMEDOUT: 'timeout',
  EADDRINUSE: 'busy',
}

function failed(error: unknown): ProbeResult {
  const code = (error as NodeJS.ErrnoException).code ?? String(error)
  return { outcome: outcomes[code] ?? 'unreachable', error: code }
}

function tcp({ address, port, sourcePort, timeoutMs, payload }: Task<'tcp'>): Promise<ProbeResult> {
  const socket = connect({ host: address, port, localPort: sourcePort })
  return finished(socket, timeoutMs, resolve => {
    socket.once('connect', () => {
      const localAddress = socket.localAddress
      if (payload === undefined) return resolve({ outcome: 'delivered', ...(localAddress && { localAddress }) })
      socket.write(`${payload}\n`)
      createInterface({ input: socket }).once('line', body =>
        resolve({ outcome: 'delivered', body, ...(localAddress && { localAddress }) }),
      )
    })
  })
}

function http({ address, port, sourcePort, timeoutMs, path, host, nonce }: Task<'http'>): Promise<ProbeResult> {
  const socket = connect({ host: address, port, localPort: sourcePort })
  return finished(socket, timeoutMs, (resolve, reject) => {
    const headers = { host, 'x-request-id': nonce, connection: 'close' }
    const exchange = request({ path, headers, createConnection: () => socket, timeout: timeoutMs }, response => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.once('error', reject)
      response.once('end', () => resolve({ outcome: 'delivered', status: response.statusCode ?? 0, body }))
    })
    exchange.once('error', reject)
    exchange.end()
  })
}

/** The result that `run` finds, or how the connection failed; resolves when the connection is closed in an orderly way. */
function finished(
  socket: Socket,
  timeoutMs: number,
  run: (resolve: (result: ProbeResult) => void, reject: (error: unknown) => void) => void,
): Promise<ProbeResult> {
  return new Promise<ProbeResult>((resolve, reject) => {
    const timer = setTimeout(() => reject(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })), timeoutMs)
    const settle = (result: ProbeResult): void => {
      clearTimeout(timer)
      const local = socket.localAddress
      const complete = { ...result, ...(local !== undefined && { localAddress: local }) }
      socket.end()
      // The server's FIN, or half a second for one that keeps its side open.
      const cut = setTimeout(() => socket.destroy(), 500)
      socket.once('close', () => {
        clearTimeout(cut)
        resolve(complete)
      })
      socket.resume()
    }
    const fail = (error: unknown): void => {
      clearTimeout(timer)
      reject(error)
    }
    socket.once('error', fail)
    run(settle, fail)
  }).catch((error: unknown) => {
    socket.destroy()
    return failed(error)
  })
}

/** One datagram there and one back. A connected socket, so that ICMP errors arrive as errors. */
function datagram(
  { address, port, sourcePort, timeoutMs }: Task<'udp'> | Task<'dns'>,
  payload: Uint8Array,
  read: (body: Buffer) => Omit<ProbeResult, 'outcome'> | undefined,
): Promise<ProbeResult> {
  const socket: UdpSocket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  let timer: NodeJS.Timeout | undefined
  return new Promise<ProbeResult>((resolve, reject) => {
    socket.once('error', reject)
    socket.on('message', body => {
      const result = read(body)
      if (result) resolve({ outcome: 'delivered', localAddress: socket.address().address, ...result })
    })
    timer = setTimeout(() => resolve({ outcome: 'timeout' }), timeoutMs)
    socket.bind(sourcePort, () => {
      socket.connect(port, address, () => socket.send(payload))
    })
  })
    .catch(failed)
    .finally(() => {
      clearTimeout(timer)
      socket.close()
    })
}

const recursionDesired = 0x0100

function dns(task: Task<'dns'>): Promise<ProbeResult> {
  const query = encode({ type: 'query', id: task.id, flags: recursionDesired, questions: [{ type: task.type, name: task.name }] })
  return datagram(task, query, body => {
    const { id, rcode, answers = [] } = decode(body) as ReturnType<typeof decode> & { rcode?: string }
    if (id !== task.id) return undefined
    const texts = answers.flatMap(answer => {
      if (answer.type === 'SRV') return [`${answer.data.target}:${answer.data.port}`]
      return answer.type === 'A' || answer.type === 'AAAA' ? [answer.data] : []
    })
    return { rcode: rcode ?? '', answers: texts.sort() }
  })
}
