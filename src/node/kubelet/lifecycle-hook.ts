import type { LifecycleHandler } from '../../api/generated/types.js'
import type { Clock } from '../../base/time/clock.js'
import type { PodRuntime } from './pod-runtime.js'
import { type ProbeResult, type ProbeTarget, runProbe } from './run-probe.js'

export interface HookInput {
  readonly target: ProbeTarget
  readonly timeoutSeconds: number
  readonly runtime: PodRuntime
  readonly clock: Clock
}

/** Runs a postStart or preStop hook to its end. Rejects only when aborted. */
export async function runLifecycleHook(hook: LifecycleHandler, input: HookInput, signal: AbortSignal): Promise<ProbeResult> {
  if (hook.sleep) {
    await input.clock.sleep(Math.min(hook.sleep.seconds, input.timeoutSeconds) * 1000, signal)
    return { isSuccess: true, message: '' }
  }
  return runProbe(hook, input, signal)
}
