import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import protobuf from 'protobufjs'

import { PodwireError } from '../../base/errors/podwire-error.js'
import type { Clock } from '../../base/time/clock.js'
import descriptors from './facts/cri-v1.json' with { type: 'json' }

export type CriService = 'RuntimeService' | 'ImageService'

export interface CriCall {
  readonly service: CriService
  readonly method: string
  /** Fields by their names in the protocol, as `pod_sandbox_id`. */
  readonly request: object
  /** How long the runtime may take; the call then fails with TIMED_OUT. */
  readonly timeoutMs?: number
}

/** Calls of the container runtime interface (CRI v1), untyped: `cri-messages.ts` names the fields. */
export interface CriConnection {
  /** Errors: NOT_FOUND, TIMED_OUT, RUNTIME_FAILED with the runtime's own words. */
  call<Response>(call: CriCall, signal: AbortSignal): Promise<Response>
  close(): void
}

const defaultTimeoutMs = 120_000
const startingRetryMs = 20

/** A runtime that comes back is noticed within a second. */
const channelOptions = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.max_receive_message_length': 16 * 1024 * 1024,
}

/** A connection to the runtime's unix socket; calls wait until the runtime is there or their time is over. */
export function connectCri(socket: string, clock: Clock): CriConnection {
  const root = protobuf.Root.fromJSON(descriptors)
  const client = new Client(`unix://${socket}`, credentials.createInsecure(), channelOptions)

  async function call<Response>(call: CriCall, signal: AbortSignal): Promise<Response> {
    const deadline = clock.now() + (call.timeoutMs ?? defaultTimeoutMs)
    for (;;) {
      try {
        return await callOnce<Response>(call, deadline, signal)
      } catch (error) {
        if (!isStarting(error) || clock.now() + startingRetryMs > deadline) throw error
        await clock.sleep(startingRetryMs, signal)
      }
    }
  }

  function callOnce<Response>({ service, method, request }: CriCall, deadline: number, signal: AbortSignal): Promise<Response> {
    const { requestType, responseType } = root.lookupService(`runtime.v1.${service}`).methods[method]!
    const requests = root.lookupType(`runtime.v1.${requestType}`)
    const responses = root.lookupType(`runtime.v1.${responseType}`)
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const abort = () => running.cancel()
      const running = client.makeUnaryRequest(
        `/runtime.v1.${service}/${method}`,
        (value: object) => Buffer.from(requests.encode(requests.fromObject(value)).finish()),
        bytes => responses.toObject(responses.decode(bytes), { longs: Number, enums: String, defaults: true }) as Response,
        request,
        new Metadata({ waitForReady: true }),
        { deadline },
        (error, response) => {
          signal.removeEventListener('abort', abort)
          if (!error) resolve(response as Response)
          else reject(signal.aborted ? signal.reason : classify(error, method))
        },
      )
      signal.addEventListener('abort', abort, { once: true })
    })
  }
  return { call, close: () => client.close() }
}

/** containerd listens before its part for the CRI is ready, and has only these words to say so. */
function isStarting(error: unknown): boolean {
  const cause = error instanceof PodwireError ? (error.cause as ServiceError | undefined) : undefined
  return cause?.code === status.UNKNOWN && cause.details === 'server is not initialized yet'
}

function classify(error: ServiceError, method: string): PodwireError {
  const message = `${method}: ${error.details}`
  switch (error.code) {
    case status.NOT_FOUND:
      return new PodwireError('NOT_FOUND', message, { cause: error })
    case status.DEADLINE_EXCEEDED:
      return new PodwireError('TIMED_OUT', message, { cause: error })
    default:
      return new PodwireError('RUNTIME_FAILED', message, { cause: error })
  }
}
