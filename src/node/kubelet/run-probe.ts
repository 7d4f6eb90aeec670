import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'

import type { Container, HTTPGetAction, Probe } from '../../api/generated/types.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { withTimeLimit } from '../../base/time/time-limit.js'
import type { PodRuntime } from './pod-runtime.js'

export interface ProbeTarget {
  readonly container: Container
  readonly containerId: string
  /** The Pod's address; the node's for a Pod in the node's network. */
  readonly ip: string
}

export interface ProbeResult {
  readonly isSuccess: boolean
  readonly message: string
}

/** The actions that probes and lifecycle hooks share. */
export type ProbeAction = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket'>

/** Runs one probe once, from the network namespace of this process. Rejects only when aborted. */
export async function runProbe(
  action: ProbeAction,
  { target, timeoutSeconds, runtime }: { target: ProbeTarget; timeoutSeconds: number; runtime: PodRuntime },
  signal: AbortSignal,
): Promise<ProbeResult> {
  return withTimeLimit({ ms: timeoutSeconds * 1000, signal }, async (limited, isOver) => {
    try {
      if (action.exec) return await probeExec(action.exec.command ?? [], { target, timeoutSeconds, runtime }, signal)
      if (action.httpGet) return await probeHttp(action.httpGet, target, limited)
      if (action.tcpSocket) {
        const { host = target.ip, port } = action.tcpSocket
        return await probeTcp(host, portNumber(port, target.container), limited)
      }
      return { isSuccess: false, message: 'the probe names no action that this kubelet knows' }
    } catch (error) {
      signal.throwIfAborted()
      const message = isOver() || isPodwireError(error, 'TIMED_OUT') ? `timed out after ${timeoutSeconds} s` : (error as Error).message
      return { isSuccess: false, message }
    }
  })
}

async function probeExec(
  command: readonly string[],
  { target, timeoutSeconds, runtime }: { target: ProbeTarget; timeoutSeconds: number; runtime: PodRuntime },
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { exitCode, output } = await runtime.exec(target.containerId, command, timeoutSeconds, signal)
  return { isSuccess: exitCode === 0, message: output.trim() }
}

async function probeHttp(get: HTTPGetAction, target: ProbeTarget, signal: AbortSignal): Promise<ProbeResult> {
  const status = await httpGet(get, target, signal)
  const isSuccess = status >= 200 && status < 400
  return { isSuccess, message: `HTTP probe ${isSuccess ? 'answered' : 'failed'} with statuscode: ${status}` }
}

/** Asks once and returns the status; the body is not read. Certificates are not checked (Kubernetes documentation, HTTP probes). */
function httpGet(get: HTTPGetAction, { container, ip }: ProbeTarget, signal: AbortSignal): Promise<number> {
  const { host = ip, path = '/', scheme = 'HTTP', port, httpHeaders = [] } = get
  const headers: IncomingHttpHeaders = { 'user-agent': 'kube-probe/1.36', accept: '*/*', connection: 'close' }
  for (const { name, value } of httpHeaders) headers[name.toLowerCase()] = value
  const options = { host, port: portNumber(port, container), path: path.startsWith('/') ? path : `/${path}`, headers, agent: false, signal }
  return new Promise((resolve, reject) => {
    const request = scheme === 'HTTPS' ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options)
    request.on('response', response => {
      resolve(response.statusCode ?? 0)
      response.on('error', () => {})
      response.destroy()
    })
    request.on('error', reject)
    request.end()
  })
}

function probeTcp(host: string, port: number, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal })
    socket.on('connect', () => {
      socket.destroy()
      resolve({ isSuccess: true, message: 'connected' })
    })
    socket.on('error', reject)
  })
}

/** A port by number, or by the name the container gives it. */
function portNumber(port: number | string, container: Container): number {
  const named = container.ports?.find(({ name }) => name === port)?.containerPort
  const number = named ?? Number(port)
  if (!Number.isInteger(number)) throw new Error(`couldn't find port: ${port}`)
  return number
}
