import type { StreamChoice } from './cri-streaming.js'
import type { LogChoice } from './read-container-log.js'

/** A request to a node, at the paths of upstream's kubelet. */
export type NodeRequest =
  | { readonly kind: 'containerLogs'; readonly namespace: string; readonly pod: string; readonly container: string }
  | { readonly kind: 'exec' | 'attach'; readonly namespace: string; readonly pod: string; readonly container: string }
  | { readonly kind: 'portForward'; readonly namespace: string; readonly pod: string }

/** What a path asks for; undefined when it names nothing that is served here. Segments that are no valid escapes name nothing. */
export function parseNodePath(path: string): NodeRequest | undefined {
  const [, kind, namespace, pod, container, ...rest] = path.split('/').map(decodeSegment)
  if (!namespace || !pod || rest.length > 0) return undefined
  if (kind === 'portForward') return container === undefined ? { kind, namespace, pod } : undefined
  if (kind !== 'containerLogs' && kind !== 'exec' && kind !== 'attach') return undefined
  return container ? { kind, namespace, pod, container } : undefined
}

function decodeSegment(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Undefined when none is chosen, or when numbers are none. */
export function logChoiceOf(query: URLSearchParams, nowMs: number): (LogChoice & { readonly previous: boolean }) | undefined {
  const number = (name: string) => (query.has(name) ? Number(query.get(name)) : undefined)
  const [tailLines, limitBytes, sinceSeconds] = [number('tailLines'), number('limitBytes'), number('sinceSeconds')]
  const sinceTime = query.has('sinceTime') ? Date.parse(query.get('sinceTime') ?? '') : undefined
  if ([tailLines, limitBytes, sinceSeconds, sinceTime].some(value => value !== undefined && !(Number.isInteger(value) && value >= 0)))
    return undefined
  return {
    follow: query.get('follow') === 'true',
    previous: query.get('previous') === 'true',
    timestamps: query.get('timestamps') === 'true',
    tailLines,
    limitBytes,
    sinceMs: sinceSeconds === undefined ? sinceTime : nowMs - sinceSeconds * 1000,
  }
}

/** A terminal has one output; undefined when no stream is chosen at all. */
export function streamChoiceOf(query: URLSearchParams, tty: boolean): StreamChoice | undefined {
  const [stdin, stdout, stderr] = ['input', 'output', 'error'].map(name => query.get(name) === '1')
  if (!stdin && !stdout && !stderr) return undefined
  return { stdin: stdin === true, stdout: stdout === true, stderr: stderr === true && !tty, tty }
}
