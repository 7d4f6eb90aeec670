import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'

import type { Node, Pod } from '../../api/generated/types.js'
import { badRequest, internalError, refusal } from '../../api/status.js'
import { proxyUpgrade, upgradeHeaders } from '../../base/streams/proxy-upgrade.js'
import { type Answer, type ApiServerResponse, textAnswer } from './answers.js'
import type { ApiServerRequest } from './authentication.js'
import { callNode, type NodeTls } from './node-connection.js'
import { chooseContainer } from './pod-container.js'
import { logQuery, streamQuery } from './stream-queries.js'
import type { StreamUpgrade } from './stream-upgrade.js'
import { askForSpdy, joinChannels, tunnelSpdy, webSocketProtocol } from './web-socket-streams.js'

export interface PodStreamExchange {
  readonly request: ApiServerRequest
  readonly response: ApiServerResponse
  readonly upgrade: StreamUpgrade | undefined
  readonly query: URLSearchParams
  readonly pod: Pod
}

/** The subresources of a Pod that its node serves: `log`, `exec`, `attach`, `portforward`. */
export interface PodStreams {
  /** Undefined when the log has gone to the client already. */
  log(exchange: PodStreamExchange): Promise<Answer | undefined>
  /** Undefined when the client's connection now goes on to the container. */
  stream(kind: 'exec' | 'attach' | 'portforward', exchange: PodStreamExchange): Promise<Answer | undefined>
}

export interface PodStreamsOptions {
  readonly tls: NodeTls
  /** Throws 404. */
  findNode(name: string): Promise<Node>
}

/** The only protocol that the runtime on the nodes speaks. */
const streamProtocol = 'SPDY/3.1'
/** Refusals of a node are short; what is beyond this is cut. */
const longestRefusal = 64 * 1024

export function podStreams({ tls, findNode }: PodStreamsOptions): PodStreams {
  async function call(nodeName: string, method: string, path: string, headers: OutgoingHttpHeaders): Promise<ClientRequest> {
    return callNode(tls, { node: await findNode(nodeName), method, path, headers })
  }

  return {
    async log({ response, query, pod }) {
      const name = pod.metadata?.name ?? ''
      const asked = logQuery(name, query)
      const container = chooseContainer(pod, query.get('container'))
      const nodeName = pod.spec?.nodeName
      if (!nodeName) return textAnswer('') // Nothing has run yet; upstream answers the same.
      const path = `/containerLogs/${pathOf(pod, container)}?${asked}`
      const outgoing = await call(nodeName, 'GET', path, {})
      response.once('close', () => outgoing.destroy())
      const answer = await answerOf(outgoing)
      if (answer.statusCode !== 200) throw await refusalOf(answer, name)
      response.statusCode = 200
      response.setHeader('content-type', 'text/plain; charset=utf-8')
      response.setHeader('cache-control', 'no-cache, private')
      ;(response as ServerResponse).flushHeaders() // Both kinds have it; one lacks the type.
      // A client that goes, or a node, ends the answer early: nobody is left to be told.
      await pipeline(answer, response as NodeJS.WritableStream).catch(() => {})
      return undefined
    },
    async stream(kind, { request, upgrade, query, pod }) {
      const container = kind === 'portforward' ? undefined : chooseContainer(pod, query.get('container'))
      const asked = container === undefined ? new URLSearchParams() : streamQuery(query)
      if (kind === 'exec' && !asked.has('command')) throw badRequest('you must specify at least one command for the container')
      const nodeName = pod.spec?.nodeName
      if (!nodeName) throw badRequest(`pod ${pod.metadata?.name} does not have a host assigned`)
      if (!upgrade || !('headersDistinct' in request)) throw badRequest('Upgrade request required')
      const wanted = (request.headers.upgrade ?? '').toLowerCase()
      const path = `/${kind === 'portforward' ? 'portForward' : kind}/${pathOf(pod, container)}?${asked}`
      if (wanted === 'websocket') {
        const protocol = webSocketProtocol(kind, request)
        if (protocol === undefined) throw badRequest(`unable to upgrade: no protocol that ${kind} is served by was offered`)
        const spoken = kind === 'portforward' ? 'portforward.k8s.io' : 'v4.channel.k8s.io'
        const headers = { connection: 'Upgrade', upgrade: streamProtocol, 'x-stream-protocol-version': spoken }
        const outgoing = await call(nodeName, 'POST', path, headers)
        upgrade.socket.once('close', () => outgoing.destroy())
        const answer = await askForSpdy(outgoing).catch(dialingFailed)
        if (!('connection' in answer && 'head' in answer)) return textAnswer(await textOf(answer), answer.statusCode ?? 500)
        if (kind === 'portforward') await tunnelSpdy(request, upgrade, answer)
        else await joinChannels({ request, upgrade, protocol, asked }, answer)
        return undefined
      }
      if (wanted !== streamProtocol.toLowerCase()) {
        throw badRequest(`unable to upgrade: ${kind} is served over ${streamProtocol} and WebSocket, not ${JSON.stringify(wanted)}`)
      }
      const outgoing = await call(nodeName, request.method ?? 'POST', path, upgradeHeaders(request))
      const refused = await proxyUpgrade(upgrade, outgoing).catch(dialingFailed)
      if (!refused) {
        upgrade.take()
        return undefined
      }
      return textAnswer(await textOf(refused), refused.statusCode ?? 500)
    },
  }
}

const pathOf = ({ metadata }: Pod, container: string | undefined): string =>
  [metadata?.namespace, metadata?.name, container].flatMap(part => (part === undefined ? [] : [encodeURIComponent(part)])).join('/')

function dialingFailed(error: unknown): never {
  throw internalError(`error dialing backend: ${error instanceof Error ? error.message : error}`, error)
}

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve)
    outgoing.once('error', reject)
    outgoing.end()
  }).catch(dialingFailed)
}

/** Text of an answer that is no log, as far as anybody reads it. */
async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size > longestRefusal) break
  }
  return Buffer.concat(chunks).toString('utf8').slice(0, longestRefusal)
}

/** What a node refused, as a Status of upstream's making. */
async function refusalOf(answer: IncomingMessage, pod: string): Promise<Error> {
  const text = await textOf(answer)
  const details = { name: pod, kind: 'pods/log' }
  switch (answer.statusCode) {
    case 400:
      return badRequest(text)
    case 404:
      return refusal({
        http: 404,
        reason: 'NotFound',
        message: `the server could not find the requested resource ( pods/log ${pod})`,
        details: { ...details, causes: [{ reason: 'UnexpectedServerResponse', message: text }] },
        code: 'NOT_FOUND',
      })
    default:
      return internalError(text)
  }
}
