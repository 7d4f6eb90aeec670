import { badRequest, refusal } from '../../api/status.js'
import type { PodwireError } from '../../base/errors/podwire-error.js'
import type { RequestTarget } from './request-target.js'

/** Upstream's defaults (kube-apiserver --max-requests-inflight, --max-mutating-requests-inflight, --request-timeout). */
export const defaultRequestLimits = { readOnly: 400, mutating: 200, timeoutMs: 60_000 }
export type RequestLimits = typeof defaultRequestLimits

export interface LimitedRequest {
  readonly method: string | undefined
  readonly target: RequestTarget | undefined
  readonly query: URLSearchParams
  readonly groups: readonly string[]
}

/** Keeps the number of requests under way bounded; watches and streams are not counted, as they go on. */
export interface RequestGate {
  /** Runs one request, or throws 429 when there is no room, 504 when it takes longer than it may. */
  run<T>(request: LimitedRequest, work: () => Promise<T>): Promise<T>
  /** Resolves when no counted request is under way. */
  idle(): Promise<void>
}

const readingMethods = new Set(['GET', 'HEAD'])
const goingOn = new Set(['log', 'exec', 'attach', 'portforward', 'proxy'])
const retryAfterSeconds = 1
/** Members can always get in to see, and to mend, what fills the server. */
const exemptGroup = 'system:masters'

/** True for what has no end of its own: it is neither counted nor timed. */
export function isLongRunning({ target, query }: Pick<LimitedRequest, 'target' | 'query'>): boolean {
  const watch = query.get('watch')
  return watch === 'true' || watch === '1' || goingOn.has(target?.subresource ?? '')
}

export function createRequestGate(limits: RequestLimits): RequestGate {
  const underWay = { readOnly: 0, mutating: 0 }
  const waiting = new Set<() => void>()

  return {
    async run(request, work) {
      if (isLongRunning(request)) return work()
      const timeoutMs = wantedTimeout(request.query, limits.timeoutMs)
      const kind = readingMethods.has(request.method ?? '') ? 'readOnly' : 'mutating'
      if (underWay[kind] >= limits[kind] && !request.groups.includes(exemptGroup)) throw tooManyRequests()
      underWay[kind] += 1
      let timer: NodeJS.Timeout | undefined
      try {
        return await Promise.race([
          work(),
          new Promise<never>((_, reject) => {
            timer = setTimeout(() => reject(timedOut(timeoutMs)), timeoutMs)
          }),
        ])
      } finally {
        clearTimeout(timer)
        underWay[kind] -= 1
        if (underWay.readOnly + underWay.mutating === 0) for (const resolve of waiting) resolve()
      }
    },
    idle() {
      if (underWay.readOnly + underWay.mutating === 0) return Promise.resolve()
      return new Promise(resolve => waiting.add(resolve))
    },
  }
}

const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001, µs: 0.001, ns: 0.000001 }

/** What `?timeout=` asks for, in the notation of Go; never more than the server's own limit. */
function wantedTimeout(query: URLSearchParams, mostMs: number): number {
  const text = query.get('timeout')
  if (text === null || text === '') return mostMs
  if (!/^((\d+(\.\d*)?|\.\d+)(h|m|s|ms|us|µs|ns))+$/.test(text)) {
    throw badRequest(`invalid timeout specified in the request URL - time: invalid duration ${JSON.stringify(text)}`)
  }
  const parts = [...text.matchAll(/(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|ns)/g)]
  const ms = parts.reduce((sum, [, number, unit]) => sum + Number(number) * (units[unit!] ?? 0), 0)
  return ms > 0 ? Math.min(ms, mostMs) : mostMs
}

const tooManyRequests = (): PodwireError =>
  refusal({
    http: 429,
    reason: 'TooManyRequests',
    message: 'Too many requests, please try again later.',
    details: { retryAfterSeconds },
  })

const timedOut = (ms: number): PodwireError =>
  refusal({
    http: 504,
    reason: 'Timeout',
    message: `Timeout: request did not complete within the allotted timeout (${ms / 1000} s)`,
  })
