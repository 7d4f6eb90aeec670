import { type FieldProblem, forbidden, invalid } from '../field-problem.js'
import type { Container, Pod, PodSpec, ResourceRequirements } from '../generated/types.js'
import { type Draft, jsonEqual } from '../json.js'
import type { Strategy } from '../resource-type.js'
import { plainStrategy } from './plain-strategy.js'
import { validatePodSpec } from './pod-spec-validation.js'
import { setPodSpecDefaults, setRunningPodDefaults } from './pod-template.js'

export const podStrategy: Strategy<Pod> = {
  ...plainStrategy,
  hasGeneration: true,

  setDefaults(pod) {
    if (!pod.spec) return
    setPodSpecDefaults(pod.spec)
    setRunningPodDefaults(pod.spec)
  },

  prepareCreate(pod) {
    if (pod.spec && !pod.spec.serviceAccountName) {
      pod.spec.serviceAccountName = 'default'
      pod.spec.serviceAccount = 'default'
    }
    pod.status = { phase: 'Pending', qosClass: qosClass(pod.spec) }
  },

  validate: pod => validatePodSpec(pod.spec, 'spec'),

  validateUpdate(pod, previous) {
    if (!pod.spec || !previous.spec) return []
    const problems: FieldProblem[] = []
    const { activeDeadlineSeconds: deadline } = pod.spec
    const before = previous.spec.activeDeadlineSeconds
    if (before !== undefined && (deadline === undefined || deadline > before)) {
      problems.push(invalid('spec.activeDeadlineSeconds', deadline ?? null, 'must be less than or equal to previous value'))
    }
    const kept = previous.spec.tolerations ?? []
    const stripped = { ...changeableSpec(pod.spec), ...(keepsAll(pod.spec, kept) ? { tolerations: kept } : {}) }
    if (jsonEqual(stripped, { ...changeableSpec(previous.spec), tolerations: previous.spec.tolerations ?? [] })) return problems
    const names =
      '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'
    return [...problems, forbidden('spec', `pod updates may not change fields other than ${names}`)]
  },

  selectableFields: ({ spec, status }) => ({
    'spec.nodeName': spec?.nodeName ?? '',
    'spec.restartPolicy': spec?.restartPolicy ?? '',
    'spec.schedulerName': spec?.schedulerName ?? '',
    'spec.serviceAccountName': spec?.serviceAccountName ?? '',
    'spec.hostNetwork': String(spec?.hostNetwork ?? false),
    'status.phase': status?.phase ?? '',
    'status.podIP': status?.podIP ?? '',
    'status.nominatedNodeName': status?.nominatedNodeName ?? '',
  }),

  /** A Pod that no node knows of, or that has ended, has nobody to wait for. */
  gracePeriodSeconds({ spec, status }, requested) {
    const wanted = requested ?? spec?.terminationGracePeriodSeconds ?? 30
    if (!spec?.nodeName) return 0
    if (status?.phase === 'Failed' || status?.phase === 'Succeeded') return 0
    return Math.max(wanted, 0)
  },
}

/** The spec without what an update may change. */
function changeableSpec(spec: PodSpec): object {
  const withoutImage = ({ image: _, ...rest }: Container): object => rest
  const { activeDeadlineSeconds: _, ...rest } = spec
  return {
    ...rest,
    tolerations: spec.tolerations ?? [],
    containers: spec.containers?.map(withoutImage) ?? [],
    initContainers: spec.initContainers?.map(withoutImage) ?? [],
  }
}

const keepsAll = ({ tolerations = [] }: PodSpec, kept: NonNullable<PodSpec['tolerations']>): boolean =>
  kept.every(toleration => tolerations.some(other => jsonEqual(other, toleration)))

/** Guaranteed, Burstable or BestEffort by the containers' requests and limits of CPU and memory. */
function qosClass(spec: Draft<PodSpec> | undefined): string {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
  const amounts = containers.map(({ resources }) => resources ?? {})
  const names = ['cpu', 'memory']
  const isPositive = (amount: string | undefined): boolean => amount !== undefined && !/^0+\D*$/.test(amount)
  const isGuaranteed = ({ limits, requests }: ResourceRequirements): boolean =>
    names.every(name => isPositive(limits?.[name]) && limits?.[name] === requests?.[name])
  const isEmpty = ({ limits, requests }: ResourceRequirements): boolean =>
    names.every(name => !isPositive(limits?.[name]) && !isPositive(requests?.[name]))
  if (amounts.every(isEmpty)) return 'BestEffort'
  return amounts.every(isGuaranteed) ? 'Guaranteed' : 'Burstable'
}
