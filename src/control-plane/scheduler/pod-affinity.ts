import type { Pod, PodAffinityTerm } from '../../api/generated/types.js'
import { selectorMatches } from '../../api/selector.js'
import type { FilterPlugin } from './plugin.js'
import type { NodeInfo, Snapshot } from './snapshot.js'

/** True when the term of `holder` speaks of `other`. */
export function termSelects(term: PodAffinityTerm, holder: Pod, other: Pod, { namespaces }: Snapshot): boolean {
  const namespace = other.metadata?.namespace ?? 'default'
  const isNamed = term.namespaces?.includes(namespace) ?? false
  const isChosen =
    term.namespaceSelector !== undefined && selectorMatches(term.namespaceSelector, namespaces.get(namespace)?.metadata?.labels)
  const isOwn =
    (term.namespaces ?? []).length === 0 && term.namespaceSelector === undefined && namespace === (holder.metadata?.namespace ?? 'default')
  if (!isNamed && !isChosen && !isOwn) return false
  const sameValues = (term.matchLabelKeys ?? []).every(key => holder.metadata?.labels?.[key] === other.metadata?.labels?.[key])
  const otherValues = (term.mismatchLabelKeys ?? []).every(key => holder.metadata?.labels?.[key] !== other.metadata?.labels?.[key])
  return sameValues && otherValues && selectorMatches(term.labelSelector, other.metadata?.labels)
}

/** The values of a topology key on whose nodes a Pod that the term selects runs. */
function topologies(term: PodAffinityTerm, holder: Pod, snapshot: Snapshot): ReadonlySet<string> {
  const found = new Set<string>()
  for (const { labels, pods } of snapshot.nodes) {
    const value = labels[term.topologyKey]
    if (value !== undefined && !found.has(value) && pods.some(other => termSelects(term, holder, other, snapshot))) found.add(value)
  }
  return found
}

const requiredAffinity = ({ spec }: Pod) => spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
const requiredAntiAffinity = ({ spec }: Pod) => spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []

/** Required affinity to Pods, and against them: the Pod's own, and that of those which run already. */
export const interPodAffinity: FilterPlugin = {
  name: 'InterPodAffinity',
  prepare(pod, snapshot) {
    const near = requiredAffinity(pod).map(term => ({ term, values: topologies(term, pod, snapshot) }))
    const far = requiredAntiAffinity(pod).map(term => ({ term, values: topologies(term, pod, snapshot) }))
    // The first of a group that wants to be together has nobody to join.
    const isFirst = near.every(({ term, values }) => values.size === 0 && termSelects(term, pod, pod, snapshot))
    const refused: { readonly key: string; readonly value: string }[] = snapshot.nodes.flatMap(({ labels, pods }) =>
      pods.flatMap(other =>
        requiredAntiAffinity(other).flatMap(term => {
          const value = labels[term.topologyKey]
          return value !== undefined && termSelects(term, other, pod, snapshot) ? [{ key: term.topologyKey, value }] : []
        }),
      ),
    )
    return ({ labels }: NodeInfo) => {
      if (refused.some(({ key, value }) => labels[key] === value)) return "node(s) didn't satisfy existing pods anti-affinity rules"
      if (far.some(({ term, values }) => values.has(labels[term.topologyKey] ?? ''))) return "node(s) didn't match pod anti-affinity rules"
      const isNear = near.every(
        ({ term, values }) => labels[term.topologyKey] !== undefined && (isFirst || values.has(labels[term.topologyKey]!)),
      )
      return isNear ? undefined : "node(s) didn't match pod affinity rules"
    }
  },
}
