import { createInterface } from 'node:readline'

import { PodwireError } from '../base/errors/podwire-error.js'
import type { Host } from '../kernel/host.js'
import { ProbeAnswer, type ProbeResult, type ProbeTask } from './probe-protocol.js'

/** A process in one network namespace that sends what it is told to. */
export interface Prober {
  /** Rejects with COMMAND_FAILED when the process has ended, ABORTED when `signal` aborts. */
  perform(task: ProbeTask, signal: AbortSignal): Promise<ProbeResult>
  stop(): Promise<void>
}

/** Starts bin/probe in the host's network namespace. `argv` runs it there: `['node', '/opt/podwire/dist/probe.js']`. */
export function startProber(host: Host, argv: readonly string[], signal: AbortSignal): Prober {
  const process = host.start(argv, { signal })
  const { stdin, stdout, stderr } = process
  if (!stdin || !stdout || !stderr) throw new PodwireError('INTERNAL', 'a prober needs its standard streams')
  const waiting = new Map<number, { resolve: (result: ProbeResult) => void; reject: (error: Error) => void }>()
  let words = ''
  let nextId = 0
  let ended: PodwireError | undefined

  createInterface({ input: stdout }).on('line', line => {
    const { id, result } = ProbeAnswer.parse(JSON.parse(line))
    waiting.get(id)?.resolve(result)
    waiting.delete(id)
  })
  stderr.on('data', (chunk: Uint8Array) => {
    words = `${words}${Buffer.from(chunk).toString()}`.slice(-4000)
  })
  // Writing to a process that has just ended; what ends it is reported below.
  stdin.on('error', () => {})
  void process.ended.then(status => {
    ended = new PodwireError('COMMAND_FAILED', `the prober on ${host.name} ended with status ${status}${words && `: ${words.trim()}`}`)
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  })

  return {
    perform(task, signal) {
      if (ended) return Promise.reject(ended)
      if (signal.aborted) return Promise.reject(aborted(signal))
      const id = nextId++
      return new Promise<ProbeResult>((resolve, reject) => {
        const abort = (): void => {
          waiting.delete(id)
          reject(aborted(signal))
        }
        signal.addEventListener('abort', abort, { once: true })
        const settled =
          <T>(settle: (value: T) => void) =>
          (value: T) => {
            signal.removeEventListener('abort', abort)
            settle(value)
          }
        waiting.set(id, { resolve: settled(resolve), reject: settled(reject) })
        stdin.write(`${JSON.stringify({ id, task })}\n`)
      })
    },
    stop: () => process.stop(),
  }
}

const aborted = (signal: AbortSignal): PodwireError => new PodwireError('ABORTED', 'the probe was stopped', { cause: signal.reason })
