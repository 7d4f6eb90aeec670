import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { dirname } from 'node:path'

import { cniErrorAnswer } from './cni-error.js'
import type { CniAnswer } from './plugin.js'
import type { CniCall } from './request.js'
import { createTurns } from './turns.js'

/** A configuration with all its chained results stays far below this. */
const longestCall = 4 << 20

export interface ForwardServer {
  /** Takes no new calls; resolves when those under way have been answered. */
  close(): Promise<void>
}

/**
 * Answers the calls of `bin/cni-forward` on a unix socket (the protocol stands there). Calls for different containers run side by
 * side, calls for the same one in the order they came; GC waits for all and keeps all waiting.
 */
export async function startForwardServer(path: string, handle: (call: CniCall) => Promise<CniAnswer>): Promise<ForwardServer> {
  const turns = createTurns()
  const underWay = new Set<Promise<void>>()

  async function serve(socket: Socket): Promise<void> {
    const call = parseCall(await readAll(socket))
    const { CNI_COMMAND: command, CNI_CONTAINERID: container = '' } = call.env
    const run = () => handle(call)
    const { status, stdout } = await (command === 'GC' ? turns.alone(run) : turns.inTurn(container, run))
    socket.end(Buffer.concat([Buffer.from([status]), Buffer.from(stdout)]))
  }

  const server = createServer({ allowHalfOpen: true }, socket => {
    // A runtime that was killed does not wait for its answer.
    socket.on('error', () => socket.destroy())
    const work: Promise<void> = serve(socket)
      .catch((error: unknown) => {
        const stdout = `${JSON.stringify(cniErrorAnswer(error, '1.0.0'))}\n`
        socket.end(Buffer.concat([Buffer.from([1]), Buffer.from(stdout)]))
      })
      .finally(() => underWay.delete(work))
    underWay.add(work)
  })

  mkdirSync(dirname(path), { recursive: true })
  // A socket file of a former process refuses connections for ever; only one agent runs on a node.
  rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
  chmodSync(path, 0o600)

  return {
    async close() {
      const closed = new Promise<void>(resolve => {
        server.close(() => resolve())
      })
      await Promise.all(underWay)
      await closed
    },
  }
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length > longestCall) throw new Error(`a CNI call is longer than ${longestCall} bytes`)
  }
  return Buffer.concat(chunks)
}

/** `KEY=VALUE` texts ended by NULs, one more NUL, then standard input. */
function parseCall(bytes: Buffer): CniCall {
  const env: Record<string, string> = {}
  let at = 0
  for (;;) {
    const end = bytes.indexOf(0, at)
    if (end < 0) throw new Error('a CNI call ended before its configuration')
    if (end === at) return { env, stdin: bytes.toString('utf8', at + 1) }
    const variable = bytes.toString('utf8', at, end)
    const equals = variable.indexOf('=')
    if (equals > 0) env[variable.slice(0, equals)] = variable.slice(equals + 1)
    at = end + 1
  }
}
