import type { CriConnection } from './cri-connection.js'

/** Which of a process's streams a client wants. */
export interface StreamChoice {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly tty: boolean
}

/**
 * Sessions that the runtime serves by itself on a URL of the node's loopback, valid for one use within a minute.
 * Errors: NOT_FOUND, RUNTIME_FAILED with the runtime's own words.
 */
export interface StreamingRuntime {
  exec(containerId: string, argv: readonly string[], streams: StreamChoice, signal: AbortSignal): Promise<URL>
  attach(containerId: string, streams: StreamChoice, signal: AbortSignal): Promise<URL>
  /** Into the network namespace of the sandbox; the ports are named on the streams. */
  portForward(sandboxId: string, signal: AbortSignal): Promise<URL>
}

export function criStreaming(cri: CriConnection): StreamingRuntime {
  async function urlOf(method: string, request: object, signal: AbortSignal): Promise<URL> {
    const { url } = await cri.call<{ readonly url: string }>({ service: 'RuntimeService', method, request, timeoutMs: 10_000 }, signal)
    return new URL(url)
  }
  return {
    exec: (id, cmd, streams, signal) => urlOf('Exec', { container_id: id, cmd, ...streams }, signal),
    attach: (id, streams, signal) => urlOf('Attach', { container_id: id, ...streams }, signal),
    portForward: (id, signal) => urlOf('PortForward', { pod_sandbox_id: id, port: [] }, signal),
  }
}
