import { type IncomingMessage, request as plainRequest, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { TLSSocket } from 'node:tls'

import type { Container, Pod } from '../../api/generated/types.js'
import { isPodwireError, PodwireError } from '../../base/errors/podwire-error.js'
import { endSoon, proxyUpgrade, type UpgradeRequest, upgradeHeaders } from '../../base/streams/proxy-upgrade.js'
import type { Clock } from '../../base/time/clock.js'
import type { StreamingRuntime } from './cri-streaming.js'
import { type KubeletConfig, podLogDir } from './kubelet-config.js'
import type { KubeletLog } from './kubelet-log.js'
import { logInstance } from './log-instance.js'
import { logChoiceOf, type NodeRequest, parseNodePath, streamChoiceOf } from './node-request.js'
import { identityOf } from './pod-identity.js'
import type { PodRuntime, RuntimePod } from './pod-runtime.js'
import { readContainerLog } from './read-container-log.js'

/** How the node answers the API server. */
export interface NodeServing {
  readonly port: number
  /** PEM text. Only a client that `ca` has signed for `client` is served. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string; readonly client: string }
  readonly streaming: StreamingRuntime
}

export interface NodeServerOptions {
  readonly serving: NodeServing
  readonly config: KubeletConfig
  readonly runtime: PodRuntime
  readonly clock: Clock
  readonly log: KubeletLog
  /** A Pod of this node with its newest status. */
  pod(namespace: string, name: string): Pod | undefined
}

/** A refusal as upstream's kubelet gives it: a status and plain text. */
interface Refusal {
  readonly status: number
  readonly text: string
}
const refuse = (status: number, text: string): never => {
  throw Object.assign(new PodwireError('RUNTIME_FAILED', text), { status })
}

/**
 * Serves logs and streams of this node's containers to the API server on the node's address, until `signal` aborts; sessions end with it.
 * Errors: PORT_IN_USE.
 */
export async function serveNode(options: NodeServerOptions, signal: AbortSignal): Promise<void> {
  const { serving, config, log } = options
  const { client, ...tls } = serving.tls
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2' })
  const sockets = new Set<Duplex>()
  server.on('secureConnection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  const handle = (request: IncomingMessage, response: ServerResponse, upgrade?: UpgradeRequest): void => {
    answer(options, { request, response, upgrade, client }, signal).catch((error: unknown) => {
      const { status, text } = refusalOf(error)
      if (status >= 500) log.warn({ error: String(error), url: request.url }, 'a request to the node failed')
      if (response.headersSent) response.destroy()
      else response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text)
    })
  }
  server.on('request', handle)
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {}) // 'close' follows.
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket as TLSSocket)
    response.on('finish', () => endSoon(socket))
    handle(request, response, { socket, head })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause => {
      const at = `${config.nodeAddress}:${serving.port}`
      reject(new PodwireError('PORT_IN_USE', `the kubelet cannot listen on ${at}: ${cause.message}`, { cause }))
    })
    server.once('close', resolve)
    server.listen(serving.port, config.nodeAddress)
    const stop = () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

function refusalOf(error: unknown): Refusal {
  const text = error instanceof Error ? error.message : String(error)
  return { status: error instanceof Error && 'status' in error ? Number(error.status) : 500, text }
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly upgrade: UpgradeRequest | undefined
  readonly client: string
}

async function answer(options: NodeServerOptions, exchange: Exchange, signal: AbortSignal): Promise<void> {
  const { request, response, client } = exchange
  authorize(request.socket as TLSSocket, client)
  const { pathname, searchParams } = new URL(request.url ?? '/', 'https://node')
  const wanted = parseNodePath(pathname) ?? refuse(404, '404 page not found')
  if (request.method !== 'GET' && (request.method !== 'POST' || wanted.kind === 'containerLogs')) refuse(405, '405: Method Not Allowed')
  const pod = options.pod(wanted.namespace, wanted.pod) ?? refuse(404, 'pod does not exist')
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const ends = AbortSignal.any([signal, gone.signal])
  if (wanted.kind === 'containerLogs') await sendLog(options, { response, pod, container: wanted.container, query: searchParams }, ends)
  else await openStream(options, { ...exchange, wanted, pod, query: searchParams }, ends)
}

/** Only the API server speaks to nodes. */
function authorize(socket: TLSSocket, client: string): void {
  if (!socket.authorized) refuse(401, 'Unauthorized')
  const { CN: name } = socket.getPeerCertificate().subject
  if (name !== client) refuse(403, `Forbidden (user=${name}, verb=create, resource=nodes, subresource=proxy)`)
}

interface LogExchange {
  readonly response: ServerResponse
  readonly pod: Pod
  readonly container: string
  readonly query: URLSearchParams
}

async function sendLog(options: NodeServerOptions, { response, pod, container, query }: LogExchange, signal: AbortSignal): Promise<void> {
  const { config, runtime, clock } = options
  const choice = logChoiceOf(query, clock.now()) ?? refuse(400, 'the query is not valid')
  if (!containerIn(pod, container))
    refuse(404, `container ${JSON.stringify(container)} not found in pod ${JSON.stringify(pod.metadata?.name)}`)
  const observe = (signal: AbortSignal): Promise<RuntimePod> => runtime.observe(identityOf(pod), signal)
  try {
    const id = logInstance(pod, container, choice.previous)
    const { containers } = await observe(signal)
    const instance = containers.find(other => other.id === id) ?? refuse(400, `unable to retrieve container logs for containerd://${id}`)
    const file = `${podLogDir(config, identityOf(pod))}/${container}/${instance.attempt}.log`
    async function isRunning(signal: AbortSignal): Promise<boolean> {
      const now = await observe(signal)
      return now.containers.some(other => other.id === id && other.state === 'running')
    }
    const log = readContainerLog({ file, clock, isRunning }, choice, signal)
    const first = await log.next() // Errors of the beginning still have a status to tell them by.
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).flushHeaders()
    if (!first.done) response.write(first.value)
    await pipeline(log, response)
  } catch (error) {
    if (signal.aborted) return // The reader has gone.
    refuse(isPodwireError(error, 'NOT_FOUND') ? 400 : refusalOf(error).status, (error as Error).message)
  }
}

interface StreamExchange extends Exchange {
  readonly wanted: Exclude<NodeRequest, { kind: 'containerLogs' }>
  readonly pod: Pod
  readonly query: URLSearchParams
}

/** Asks the runtime for a session and joins the client's connection with it. */
async function openStream(options: NodeServerOptions, exchange: StreamExchange, signal: AbortSignal): Promise<void> {
  const { request, response, upgrade } = exchange
  if (!upgrade) refuse(400, 'Upgrade request required')
  const url = await sessionOf(options, exchange, signal)
  const outgoing = plainRequest(url, { method: request.method, agent: false, headers: upgradeHeaders(request) })
  const refused = await proxyUpgrade(upgrade!, outgoing)
  if (!refused) {
    response.detachSocket(upgrade!.socket as TLSSocket)
    return
  }
  response.writeHead(refused.statusCode ?? 500, { 'content-type': refused.headers['content-type'] ?? 'text/plain; charset=utf-8' })
  await pipeline(refused, response)
}

async function sessionOf({ serving, runtime }: NodeServerOptions, exchange: StreamExchange, signal: AbortSignal): Promise<URL> {
  const { wanted, pod, query } = exchange
  const { sandboxes, containers } = await runtime.observe(identityOf(pod), signal)
  if (wanted.kind === 'portForward') {
    const sandbox = sandboxes.find(({ isReady }) => isReady) ?? refuse(500, `failed to find sandbox for pod ${JSON.stringify(wanted.pod)}`)
    return serving.streaming.portForward(sandbox.id, signal)
  }
  const running = containers.find(({ name, state }) => name === wanted.container && state === 'running')
  const { id } = running ?? refuse(500, `container not found (${JSON.stringify(wanted.container)})`)
  // A process keeps the terminal it was started with, whatever an attaching client would like.
  const tty = wanted.kind === 'exec' ? query.get('tty') === '1' : (containerIn(pod, wanted.container)?.tty ?? false)
  const streams = streamChoiceOf(query, tty) ?? refuse(400, 'you must specify at least 1 of stdin, stdout, stderr')
  if (wanted.kind === 'attach') return serving.streaming.attach(id, streams, signal)
  return serving.streaming.exec(id, query.getAll('command'), streams, signal)
}

const containerIn = ({ spec }: Pod, name: string): Container | undefined =>
  [spec?.containers, spec?.initContainers, spec?.ephemeralContainers].flatMap(all => all ?? []).find(container => container.name === name)
