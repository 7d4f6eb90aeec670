import { priorityclasses } from '../../../api/generated/resources.js'
import type { Pod, PriorityClass } from '../../../api/generated/types.js'
import type { Draft } from '../../../api/json.js'
import type { PolicyObjects } from '../authorization/policy-objects.js'
import { type AdmissionPlugin, type AdmissionRequest, isAbout, refused } from './admission-plugin.js'

const defaultPreemption = 'PreemptLowerPriority'

/** The classes of every cluster. */
export const systemPriorityClasses: readonly PriorityClass[] = [
  {
    metadata: { name: 'system-cluster-critical' },
    value: 2_000_000_000,
    description: 'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
  {
    metadata: { name: 'system-node-critical' },
    value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
]

/** Gives Pods the number behind their PriorityClass, and keeps one class at most the default. */
export function priorityPlugin(objects: Pick<PolicyObjects, 'get' | 'list'>): AdmissionPlugin {
  const defaultClass = (): PriorityClass | undefined =>
    objects
      .list(priorityclasses)
      .filter(({ globalDefault }) => globalDefault)
      .toSorted((a, b) => (a.value ?? 0) - (b.value ?? 0))[0]

  function setPriority(request: AdmissionRequest): void {
    const { spec } = request.object as Draft<Pod>
    if (!spec) return
    const name = spec.priorityClassName
    const found = name ? objects.get(priorityclasses, { name }) : defaultClass()
    if (name && !found) throw refused(request, `no PriorityClass with name ${name} was found`)
    if (!name && found?.metadata?.name) spec.priorityClassName = found.metadata.name
    const value = found?.value ?? 0
    const preemption = found?.preemptionPolicy ?? defaultPreemption
    if (spec.priority !== undefined && spec.priority !== value) {
      const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`
      throw refused(request, why)
    }
    if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== preemption) {
      const why = `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemption} from the given PriorityClass name`
      throw refused(request, why)
    }
    spec.priority = value
    spec.preemptionPolicy = preemption
  }

  return {
    name: 'Priority',
    mutate(request) {
      if (request.operation === 'CREATE' && isAbout(request, '', 'pods')) setPriority(request)
    },
    validate(request) {
      if (request.operation === 'DELETE' || !isAbout(request, 'scheduling.k8s.io', 'priorityclasses')) return undefined
      const { globalDefault, metadata } = request.object as PriorityClass
      const present = globalDefault ? defaultClass()?.metadata?.name : undefined
      if (present !== undefined && present !== metadata?.name) {
        throw refused(request, `PriorityClass ${present} is already marked as default. Only one default can exist`)
      }
      return undefined
    },
  }
}
