import type { Deployment, ReplicaSet } from '../../api/generated/types.js'

/** The ReplicaSets of a Deployment: the one of its present template, if made already, and all others, oldest first. */
export interface ReplicaSets {
  readonly current: ReplicaSet | undefined
  readonly old: readonly ReplicaSet[]
}

/** How many replicas each named ReplicaSet is to have; those that keep their number are not in it. */
export type Scaling = ReadonlyMap<string, number>

const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas'
const maxAnnotation = 'deployment.kubernetes.io/max-replicas'

export const replicasOf = (object: { readonly spec?: { readonly replicas?: number } }): number => object.spec?.replicas ?? 1
const availableOf = ({ status }: ReplicaSet): number => status?.availableReplicas ?? 0
const nameOf = ({ metadata }: ReplicaSet): string => metadata?.name ?? ''
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

/** How far a rollout may leave the wanted number, upwards and downwards. */
export function rolloutLimits(deployment: Deployment): { readonly maxSurge: number; readonly maxUnavailable: number } {
  const replicas = replicasOf(deployment)
  if (deployment.spec?.strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: replicas }
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec?.strategy?.rollingUpdate ?? {}
  const surge = scaled(maxSurge, replicas, Math.ceil)
  const unavailable = scaled(maxUnavailable, replicas, Math.floor)
  // With neither the rollout could not take a step (validation refuses it unless percentages round to it).
  return { maxSurge: surge, maxUnavailable: surge === 0 && unavailable === 0 ? 1 : Math.min(unavailable, replicas) }
}

/** A number, or a percentage of `total`. */
function scaled(value: number | string, total: number, round: (x: number) => number): number {
  if (typeof value === 'number') return value
  const percent = /^(\d+)%$/.exec(value)
  return percent ? round((Number(percent[1]) * total) / 100) : Number(value) || 0
}

/** What is noted on each ReplicaSet, so that a change of the Deployment's size can be told from a rollout. */
export const sizeAnnotations = (deployment: Deployment): Record<string, string> => ({
  [desiredAnnotation]: String(replicasOf(deployment)),
  [maxAnnotation]: String(replicasOf(deployment) + rolloutLimits(deployment).maxSurge),
})

/** True when the Deployment's size has changed since its ReplicaSets were last scaled. */
export const isScalingEvent = (deployment: Deployment, { current, old }: ReplicaSets): boolean =>
  [...old, ...(current ? [current] : [])].some(({ metadata, spec }) => {
    const noted = metadata?.annotations?.[desiredAnnotation]
    return (spec?.replicas ?? 0) > 0 && noted !== undefined && Number(noted) !== replicasOf(deployment)
  })

/** How many replicas the new ReplicaSet starts or goes on with, other ReplicaSets being as they are. */
export function newReplicas(deployment: Deployment, { current, old }: ReplicaSets): number {
  const wanted = replicasOf(deployment)
  if (deployment.spec?.strategy?.type === 'Recreate') return wanted
  const present = current ? replicasOf(current) : 0
  if (present >= wanted) return wanted
  const room = wanted + rolloutLimits(deployment).maxSurge - sum(old.map(replicasOf)) - present
  return Math.min(wanted, present + Math.max(0, room))
}

/**
 * One step of a rolling update: up as far as the surge allows, else down as far as availability allows.
 *
 * Stricter than upstream in one point: old ReplicaSets are never scaled down by more than what the specs leave to spare, so that a
 * status which is behind its spec cannot take the Deployment below its availability.
 */
export function planRollingUpdate(deployment: Deployment, sets: ReplicaSets & { readonly current: ReplicaSet }): Scaling {
  const { current, old } = sets
  const up = newReplicas(deployment, sets)
  if (up !== replicasOf(current)) return new Map([[nameOf(current), up]])

  const minAvailable = replicasOf(deployment) - rolloutLimits(deployment).maxUnavailable
  const newUnavailable = replicasOf(current) - Math.min(availableOf(current), replicasOf(current))
  const spare = replicasOf(current) + sum(old.map(replicasOf)) - minAvailable - newUnavailable
  const scaling = new Map<string, number>()
  let left = Math.max(0, spare)
  const scaleDown = (replicaSet: ReplicaSet, most: number) => {
    const present = scaling.get(nameOf(replicaSet)) ?? replicasOf(replicaSet)
    const count = Math.min(left, most, present)
    if (count <= 0) return 0
    scaling.set(nameOf(replicaSet), present - count)
    left -= count
    return count
  }
  // First those that do not work: they cost no availability, and they may be why the rollout hangs.
  for (const replicaSet of old) scaleDown(replicaSet, replicasOf(replicaSet) - availableOf(replicaSet))
  let surplus = availableOf(current) + sum(old.map(availableOf)) - minAvailable
  for (const replicaSet of old) surplus -= scaleDown(replicaSet, surplus)
  return scaling
}

/** Recreate: everything old goes first. */
export const planScaleDownOld = ({ old }: ReplicaSets): Scaling =>
  new Map(old.filter(replicaSet => replicasOf(replicaSet) > 0).map(replicaSet => [nameOf(replicaSet), 0]))

/**
 * The Deployment's size has changed. In the middle of a rollout its ReplicaSets grow or shrink in proportion to their sizes, so that
 * a new version which does not work does not get all of the growth.
 */
export function planResize(deployment: Deployment, { current, old }: ReplicaSets): Scaling {
  const wanted = replicasOf(deployment)
  const all = current ? [...old, current] : [...old]
  const active = all.filter(replicaSet => replicasOf(replicaSet) > 0)
  const only = active.length > 1 ? undefined : (active[0] ?? current ?? all.at(-1))
  if (active.length <= 1) return only && replicasOf(only) !== wanted ? new Map([[nameOf(only), wanted]]) : new Map()
  if (current && replicasOf(current) === wanted && availableOf(current) === wanted) return planScaleDownOld({ current, old })
  if (deployment.spec?.strategy?.type === 'Recreate') return new Map()

  const present = sum(active.map(replicasOf))
  const allowed = wanted === 0 ? 0 : wanted + rolloutLimits(deployment).maxSurge
  const change = allowed - present
  const bySize = [...active].sort((a, b) => replicasOf(b) - replicasOf(a))
  const scaling = new Map<string, number>()
  let left = change
  for (const replicaSet of bySize) {
    const noted = Number(replicaSet.metadata?.annotations?.[maxAnnotation]) || present
    const share = wanted === 0 ? -replicasOf(replicaSet) : Math.round((replicasOf(replicaSet) * allowed) / noted) - replicasOf(replicaSet)
    const bounded = change > 0 ? Math.min(Math.max(share, 0), left) : Math.max(Math.min(share, 0), left)
    scaling.set(nameOf(replicaSet), replicasOf(replicaSet) + bounded)
    left -= bounded
  }
  const largest = bySize[0]!
  scaling.set(nameOf(largest), Math.max(0, scaling.get(nameOf(largest))! + left)) // What rounding left over.
  return new Map([...scaling].filter(([name, replicas]) => replicasOf(active.find(set => nameOf(set) === name)!) !== replicas))
}
