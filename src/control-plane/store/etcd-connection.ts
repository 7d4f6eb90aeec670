import { lookup } from 'node:dns/promises'
import { isIPv6 } from 'node:net'
import { type ChannelOptions, Client, type ClientDuplexStream, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'

import { PodwireError } from '../../base/errors/podwire-error.js'
import { type EtcdCall, type EtcdWatchResponse, etcdCodecs } from './etcd-protocol.js'

export interface EtcdAddress {
  /** `https://HOST:PORT` of each member, or `http://` without TLS; all of one kind. */
  readonly endpoints: readonly string[]
  /** PEM text; the members' certificates must name the host of the first endpoint. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string }
}

/** How long etcd may take for one answer, a reconnection or an election in between included. */
const callTimeoutMs = 10_000

const channelOptions: ChannelOptions = {
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // A list of a large collection is one message.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
}

/** A connection to an etcd cluster: to whichever member answers, and to another one when it is gone. */
export interface EtcdConnection {
  /** Errors: STORE_UNAVAILABLE with etcd's own words, REVISION_TOO_OLD for a compacted revision. */
  call<Response>(name: EtcdCall, request: object): Promise<Response>
  /** One watch; the stream ends with its connection, without an error that a caller could use. */
  watch(request: object, signal: AbortSignal): AsyncIterable<EtcdWatchResponse>
  close(): void
}

export async function connectEtcd({ endpoints, tls }: EtcdAddress): Promise<EtcdConnection> {
  const urls = endpoints.map(parseEndpoint)
  const [first] = urls
  if (!first) throw new PodwireError('CONFIG_INVALID', 'no address of etcd was given')
  const secure = first.protocol === 'https:'
  if (secure && !tls) throw new PodwireError('CONFIG_INVALID', `${first.href} needs a client certificate: give ca, cert and key`)
  const addresses = await Promise.all(urls.map(resolveEndpoint))
  const name = bare(first.hostname)
  const client = new Client(
    `${addresses[0]!.startsWith('[') ? 'ipv6' : 'ipv4'}:${addresses.join(',')}`,
    tls && secure ? credentials.createSsl(Buffer.from(tls.ca), Buffer.from(tls.key), Buffer.from(tls.cert)) : credentials.createInsecure(),
    { ...channelOptions, ...(secure && { 'grpc.ssl_target_name_override': name, 'grpc.default_authority': first.host }) },
  )
  const codecs = etcdCodecs()
  const metadata = new Metadata({ waitForReady: true })
  // A member that lost its leader ends the watch, so that it goes on at another one.
  metadata.set('hasleader', 'true')

  return {
    call<Response>(name: EtcdCall, request: object): Promise<Response> {
      const { path, encode, decode } = codecs[name]
      return new Promise((resolve, reject) => {
        const deadline = Date.now() + callTimeoutMs
        client.makeUnaryRequest(path, encode, decode, request, metadata, { deadline }, (error, response) => {
          if (error) reject(classify(error, endpoints))
          else resolve(response as Response)
        })
      })
    },
    async *watch(request, signal) {
      const { path, encode, decode } = codecs.watch
      const stream = client.makeBidiStreamRequest(path, encode, decode, metadata) as ClientDuplexStream<object, EtcdWatchResponse>
      const cancel = (): void => stream.cancel()
      signal.addEventListener('abort', cancel, { once: true })
      stream.write(request)
      try {
        for await (const response of stream) yield response as EtcdWatchResponse
      } catch (error) {
        if (signal.aborted) return
        throw classify(error as ServiceError, endpoints)
      } finally {
        signal.removeEventListener('abort', cancel)
        stream.cancel()
      }
    },
    close: () => client.close(),
  }
}

function parseEndpoint(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new PodwireError('CONFIG_INVALID', `${text} is no address of an etcd`, { hint: 'write https://HOST:2379' })
  }
  return url
}

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '')

/** gRPC takes several addresses only as numbers. */
async function resolveEndpoint({ hostname, port }: URL): Promise<string> {
  try {
    const { address } = await lookup(bare(hostname))
    return `${isIPv6(address) ? `[${address}]` : address}:${port || 2379}`
  } catch (error) {
    throw new PodwireError('STORE_UNAVAILABLE', `the name ${hostname} of an etcd cannot be resolved`, { cause: error })
  }
}

function classify(error: ServiceError, endpoints: readonly string[]): PodwireError {
  if (error.code === status.OUT_OF_RANGE && error.details?.includes('compacted')) {
    return new PodwireError('REVISION_TOO_OLD', error.details, { cause: error })
  }
  return new PodwireError('STORE_UNAVAILABLE', `etcd at ${endpoints.join(', ')}: ${error.details ?? error.message}`, { cause: error })
}
