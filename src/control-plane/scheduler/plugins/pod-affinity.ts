import type { Pod, PodAffinityTerm } from '../../../api/generated/types.js'
import { selectorMatches } from '../../../api/selector.js'
import type { SchedulerPlugin } from '../scheduler-plugin.js'
import type { NodeInfo, Snapshot } from '../snapshot.js'

const domainOf = ({ node }: NodeInfo, topologyKey: string): string | undefined => node.metadata?.labels?.[topologyKey]

/** True when `candidate` is one of the Pods that the term of `owner` speaks of: in the namespaces it names, else in its own; a namespaceSelector is not read. */
function isMeant({ labelSelector, namespaces }: PodAffinityTerm, owner: Pod, candidate: Pod): boolean {
  const meant = namespaces?.length ? namespaces : [owner.metadata?.namespace ?? '']
  return meant.includes(candidate.metadata?.namespace ?? '') && selectorMatches(labelSelector, candidate.metadata?.labels)
}

function podsInDomain(term: PodAffinityTerm, node: NodeInfo, snapshot: Snapshot): readonly Pod[] {
  const domain = domainOf(node, term.topologyKey)
  return domain === undefined
    ? []
    : snapshot.nodes.filter(other => domainOf(other, term.topologyKey) === domain).flatMap(({ pods }) => pods)
}

const requiredAnti = ({ spec }: Pod): readonly PodAffinityTerm[] =>
  spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []

/** Required and preferred affinity and anti-affinity between Pods, by topology domain; also the anti-affinity of Pods already there. */
export const podAffinity: SchedulerPlugin = {
  name: 'InterPodAffinity',
  weight: 2,
  filter(pod, node, snapshot) {
    for (const term of pod.spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
      if (podsInDomain(term, node, snapshot).some(other => isMeant(term, pod, other))) continue
      // The first Pod of a group that wants its own kind near would else never start.
      const isFirst = isMeant(term, pod, pod) && !snapshot.nodes.some(({ pods }) => pods.some(other => isMeant(term, pod, other)))
      if (!isFirst || domainOf(node, term.topologyKey) === undefined) return "node(s) didn't match pod affinity rules"
    }
    for (const term of requiredAnti(pod)) {
      if (podsInDomain(term, node, snapshot).some(other => isMeant(term, pod, other))) return "node(s) didn't match pod anti-affinity rules"
    }
    const isRefused = snapshot.nodes.some(({ pods }) =>
      pods.some(other => requiredAnti(other).some(term => isMeant(term, other, pod) && podsInDomain(term, node, snapshot).includes(other))),
    )
    return isRefused ? "node(s) didn't satisfy existing pods anti-affinity rules" : undefined
  },
  score(pod, node, snapshot) {
    const { podAffinity: near, podAntiAffinity: far } = pod.spec?.affinity ?? {}
    const wanted = near?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    const unwanted = far?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    const total = [...wanted, ...unwanted].reduce((sum, { weight }) => sum + weight, 0)
    if (total === 0) return 0
    const has = (term: PodAffinityTerm) => podsInDomain(term, node, snapshot).some(other => isMeant(term, pod, other))
    const plus = wanted.filter(({ podAffinityTerm }) => has(podAffinityTerm)).reduce((sum, { weight }) => sum + weight, 0)
    const minus = unwanted.filter(({ podAffinityTerm }) => has(podAffinityTerm)).reduce((sum, { weight }) => sum + weight, 0)
    return 50 + (50 * (plus - minus)) / total
  },
}
