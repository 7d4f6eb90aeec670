import type { Pod } from './generated/types.js'

/** True when the Pod's readiness probes and gates hold. */
export const isPodReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false

/** True when all its containers have ended for good. */
export const isPodTerminal = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed'

/** True when it counts as a replica: neither ended nor being deleted. */
export const isPodActive = (pod: Pod): boolean => !isPodTerminal(pod) && pod.metadata?.deletionTimestamp === undefined

/** Milliseconds since the epoch at which the Pod has been ready for `minReadySeconds`; undefined while it is not ready. */
export function availableAt(pod: Pod, minReadySeconds: number): number | undefined {
  const ready = pod.status?.conditions?.find(({ type, status }) => type === 'Ready' && status === 'True')
  if (!ready) return undefined
  if (minReadySeconds === 0) return 0
  return Date.parse(ready.lastTransitionTime ?? '') + minReadySeconds * 1000
}
