import type { Pod } from '../../api/generated/types.js'
import { controllerOf } from '../../api/owners.js'
import { tolerates } from '../../api/tolerations.js'
import { matchesTerm } from './node-selection.js'
import type { ScorePlugin } from './plugin.js'
import { termSelects } from './pod-affinity.js'
import { podRequests } from './pod-requests.js'
import type { NodeInfo } from './snapshot.js'
import { topologySpreadScore } from './topology-spread.js'

const taintToleration: ScorePlugin = {
  name: 'TaintToleration',
  weight: 3,
  better: 'lower',
  prepare:
    ({ spec }) =>
    ({ node }) =>
      (node.spec?.taints ?? []).filter(
        taint => taint.effect === 'PreferNoSchedule' && !(spec?.tolerations ?? []).some(toleration => tolerates(toleration, taint)),
      ).length,
}

const nodeAffinity: ScorePlugin = {
  name: 'NodeAffinity',
  weight: 2,
  better: 'higher',
  prepare({ spec }) {
    const preferences = spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    return node => preferences.reduce((total, { weight, preference }) => total + (matchesTerm(preference, node) ? weight : 0), 0)
  },
}

/** Pods of one owner go to different nodes, as upstream's default spreading by host name. */
const ownerSpread: ScorePlugin = {
  name: 'OwnerSpread',
  weight: 2,
  better: 'lower',
  prepare(pod) {
    const uid = controllerOf(pod)?.uid
    return ({ pods }) => (uid === undefined ? 0 : pods.filter(other => controllerOf(other)?.uid === uid).length)
  },
}

const interPodAffinity: ScorePlugin = {
  name: 'InterPodAffinity',
  weight: 2,
  better: 'higher',
  prepare(pod, snapshot) {
    const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {}
    const near = podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    const far = podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    const terms = [...near, ...far.map(({ weight, podAffinityTerm }) => ({ weight: -weight, podAffinityTerm }))].map(
      ({ weight, podAffinityTerm: term }) => {
        const values = new Map<string, number>()
        for (const { labels, pods } of snapshot.nodes) {
          const value = labels[term.topologyKey]
          const count = pods.filter(other => termSelects(term, pod, other, snapshot)).length
          if (value !== undefined) values.set(value, (values.get(value) ?? 0) + count * weight)
        }
        return { key: term.topologyKey, values }
      },
    )
    return ({ labels }) => terms.reduce((total, { key, values }) => total + (values.get(labels[key] ?? '') ?? 0), 0)
  },
}

/** The share of CPU and of memory that would be in use, 0 to 1 each. */
function usage(pod: Pod, { allocatable, assumed }: NodeInfo): readonly number[] {
  const requests = podRequests(pod).assumed
  return ['cpu', 'memory'].map(name => {
    const total = allocatable[name] ?? 0
    return total === 0 ? 1 : Math.min(1, ((assumed[name] ?? 0) + (requests[name] ?? 0)) / total)
  })
}

const leastAllocated: ScorePlugin = {
  name: 'NodeResourcesFit',
  weight: 1,
  better: 'absolute',
  prepare: pod => node => {
    const shares = usage(pod, node)
    return shares.reduce((total, share) => total + (1 - share) * 100, 0) / shares.length
  },
}

const balancedAllocation: ScorePlugin = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  better: 'absolute',
  prepare: pod => node => {
    const [cpu = 0, memory = 0] = usage(pod, node)
    return (1 - Math.abs(cpu - memory) / 2) * 100
  },
}

export const scorePlugins: readonly ScorePlugin[] = [
  taintToleration,
  nodeAffinity,
  topologySpreadScore,
  ownerSpread,
  interPodAffinity,
  leastAllocated,
  balancedAllocation,
]
