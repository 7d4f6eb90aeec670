import type { Probe } from '../../api/generated/types.js'
import type { Clock } from '../../base/time/clock.js'
import type { ContainerHealth } from './container-health.js'
import type { PodRuntime } from './pod-runtime.js'
import { type ProbeTarget, runProbe } from './run-probe.js'

export type ProbeKind = 'startup' | 'readiness' | 'liveness'

/** A running container whose probes are to be run. */
export interface ProbedContainer extends ProbeTarget {
  readonly startedAtMs: number
}

export interface ProberOptions {
  readonly runtime: PodRuntime
  readonly clock: Clock
  /** Called when what the probes say of a Pod has changed. */
  readonly onChange: (podUid: string) => void
  /** Called for every probe that failed. */
  readonly onFailure: (podUid: string, failure: { readonly kind: ProbeKind; readonly message: string }) => void
}

/** Runs the probes of containers for as long as they run. */
export interface Prober extends ContainerHealth {
  /** Tells which containers of a Pod run now: probes of new ones start at once, those of others end. */
  sync(podUid: string, containers: readonly ProbedContainer[]): void
}

interface Tracked {
  readonly podUid: string
  readonly stop: AbortController
  isStarted: boolean
  isReady: boolean
  failed: 'liveness' | 'startup' | undefined
}

/**
 * A process takes a moment to listen. Until its first period is over it is asked this often whether it does; such failures do not count,
 * so that a container is ready when it is and not a period later. Commands cost too much to be run so often.
 */
const eagerMs = 100

/** The prober of one node. All probes end when `signal` aborts. */
export function createProber({ runtime, clock, onChange, onFailure }: ProberOptions, signal: AbortSignal): Prober {
  const tracked = new Map<string, Tracked>()

  function begin(podUid: string, target: ProbedContainer): void {
    const { startupProbe, readinessProbe } = target.container
    const stop = new AbortController()
    const isStarted = startupProbe === undefined
    const entry: Tracked = { podUid, stop, isStarted, isReady: isStarted && readinessProbe === undefined, failed: undefined }
    tracked.set(target.containerId, entry)
    const limit = AbortSignal.any([signal, stop.signal])
    // A loop ends only by its own verdict or by `limit`.
    runAll(entry, target, limit).catch(error => {
      if (!limit.aborted) throw error
    })
  }

  async function runAll(entry: Tracked, target: ProbedContainer, limit: AbortSignal): Promise<void> {
    const { startupProbe, readinessProbe, livenessProbe } = target.container
    if (startupProbe) {
      await runLoop({ entry, target, kind: 'startup', probe: startupProbe }, limit)
      if (entry.failed) return
      entry.isStarted = true
      entry.isReady = readinessProbe === undefined
      onChange(entry.podUid)
    }
    await Promise.all([
      readinessProbe && runLoop({ entry, target, kind: 'readiness', probe: readinessProbe }, limit),
      livenessProbe && runLoop({ entry, target, kind: 'liveness', probe: livenessProbe }, limit),
    ])
  }

  interface Loop {
    readonly entry: Tracked
    readonly target: ProbedContainer
    readonly kind: ProbeKind
    readonly probe: Probe
  }

  /** Probes every period; ends when the startup probe has succeeded or when the container must be ended. */
  async function runLoop({ entry, target, kind, probe }: Loop, limit: AbortSignal): Promise<void> {
    const { initialDelaySeconds = 0, periodSeconds = 10, timeoutSeconds = 1, successThreshold = 1, failureThreshold = 3 } = probe
    const delayMs = target.startedAtMs + initialDelaySeconds * 1000 - clock.now()
    if (initialDelaySeconds > 0 && delayMs > 0) await clock.sleep(delayMs, limit)
    let successes = 0
    let failures = 0
    const eagerUntilMs = kind === 'liveness' || probe.exec ? 0 : clock.now() + periodSeconds * 1000
    for (;;) {
      const { isSuccess, message } = await runProbe(probe, { target, timeoutSeconds, runtime }, limit)
      limit.throwIfAborted()
      if (!isSuccess && clock.now() + eagerMs < eagerUntilMs) {
        await clock.sleep(eagerMs, limit)
        continue
      }
      successes = isSuccess ? successes + 1 : 0
      failures = isSuccess ? 0 : failures + 1
      if (!isSuccess) onFailure(entry.podUid, { kind, message })
      if (kind === 'readiness') {
        if (successes >= successThreshold) setReady(entry, true)
        else if (failures >= failureThreshold) setReady(entry, false)
      } else if (failures >= failureThreshold) {
        entry.failed = kind
        onChange(entry.podUid)
        return
      } else if (kind === 'startup' && successes >= successThreshold) return
      await clock.sleep(periodSeconds * 1000, limit)
    }
  }

  function setReady(entry: Tracked, isReady: boolean): void {
    if (entry.isReady === isReady) return
    entry.isReady = isReady
    onChange(entry.podUid)
  }

  return {
    sync(podUid, containers) {
      const running = new Set(containers.map(({ containerId }) => containerId))
      for (const [id, entry] of tracked) {
        if (entry.podUid !== podUid || running.has(id)) continue
        entry.stop.abort()
        tracked.delete(id)
      }
      for (const container of containers) if (!tracked.has(container.containerId)) begin(podUid, container)
    },
    isStarted: id => tracked.get(id)?.isStarted ?? false,
    isReady: id => tracked.get(id)?.isReady ?? false,
    failedProbe: id => tracked.get(id)?.failed,
  }
}
