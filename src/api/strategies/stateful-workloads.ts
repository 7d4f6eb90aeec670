import { type FieldProblem, forbidden, invalid, required } from '../field-problem.js'
import { countOrPercent, notNegative, oneOf } from '../field-rules.js'
import type { ControllerRevision, DaemonSet, PodTemplate, ReplicationController, StatefulSet } from '../generated/types.js'
import { jsonEqual } from '../json.js'
import type { Strategy } from '../resource-type.js'
import { validateImmutable, validateLabels } from '../validate-meta.js'
import { plainStrategy } from './plain-strategy.js'
import { setPodSpecDefaults } from './pod-template.js'
import { setClaimDefaults } from './storage.js'
import { validateLastingTemplate, validateTemplate, validateWorkloadSelector } from './workload-template.js'

export const statefulSetStrategy: Strategy<StatefulSet> = {
  ...plainStrategy,
  hasGeneration: true,

  setDefaults({ spec }) {
    if (!spec) return
    spec.replicas ??= 1
    spec.revisionHistoryLimit ??= 10
    spec.podManagementPolicy ||= 'OrderedReady'
    spec.updateStrategy ??= {}
    spec.updateStrategy.type ||= 'RollingUpdate'
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {}
      spec.updateStrategy.rollingUpdate.partition ??= 0
    }
    spec.persistentVolumeClaimRetentionPolicy ??= {}
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain'
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain'
    if (spec.template?.spec) setPodSpecDefaults(spec.template.spec)
    for (const claim of spec.volumeClaimTemplates ?? []) {
      claim.apiVersion = 'v1'
      claim.kind = 'PersistentVolumeClaim'
      setClaimDefaults(claim)
    }
  },

  prepareCreate(set) {
    set.status = { replicas: 0, availableReplicas: 0 }
  },

  validate({ spec }) {
    if (!spec) return [required('spec')]
    const { whenDeleted, whenScaled } = spec.persistentVolumeClaimRetentionPolicy ?? {}
    const problems: FieldProblem[] = [
      ...oneOf(spec.podManagementPolicy, ['OrderedReady', 'Parallel'], 'spec.podManagementPolicy'),
      ...oneOf(spec.updateStrategy?.type, ['OnDelete', 'RollingUpdate'], 'spec.updateStrategy'),
      ...notNegative(spec.updateStrategy?.rollingUpdate?.partition, 'spec.updateStrategy.rollingUpdate.partition'),
      ...oneOf(whenDeleted, ['Delete', 'Retain'], 'spec.persistentVolumeClaimRetentionPolicy.whenDeleted'),
      ...oneOf(whenScaled, ['Delete', 'Retain'], 'spec.persistentVolumeClaimRetentionPolicy.whenScaled'),
      ...notNegative(spec.replicas, 'spec.replicas'),
      ...notNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
      ...notNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
      ...notNegative(spec.ordinals?.start, 'spec.ordinals.start'),
      ...validateWorkloadSelector(spec.selector, spec.template, 'statefulset'),
    ]
    if (spec.updateStrategy?.type === 'OnDelete' && spec.updateStrategy.rollingUpdate) {
      const detail = `only allowed for updateStrategy 'RollingUpdate'`
      problems.push(invalid('spec.updateStrategy.rollingUpdate', spec.updateStrategy.rollingUpdate, detail))
    }
    // Mounts may name what the claim templates will be.
    const claims = spec.volumeClaimTemplates?.map(({ metadata }) => ({ name: metadata?.name ?? '', emptyDir: {} })) ?? []
    const template = spec.template?.spec && {
      ...spec.template,
      spec: {
        ...spec.template.spec,
        volumes: [...(spec.template.spec.volumes ?? []).filter(volume => !claims.some(({ name }) => name === volume.name)), ...claims],
      },
    }
    return [...problems, ...validateLastingTemplate(claims.length > 0 ? template : spec.template, 'StatefulSet')]
  },

  validateUpdate({ spec }, { spec: previous }) {
    const frozen = (set: StatefulSet['spec']): object => {
      const {
        replicas: _,
        template: __,
        updateStrategy: ___,
        minReadySeconds: ____,
        ordinals: _____,
        persistentVolumeClaimRetentionPolicy: ______,
        revisionHistoryLimit: _______,
        ...rest
      } = set ?? ({} as NonNullable<StatefulSet['spec']>)
      return rest
    }
    if (jsonEqual(frozen(spec), frozen(previous))) return []
    const mayChange =
      "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'"
    return [forbidden('spec', `updates to statefulset spec for fields other than ${mayChange} are forbidden`)]
  },
}

/** Counts changes of the template, for readers of the first versions of DaemonSets; upstream still writes it. */
const templateGeneration = 'deprecated.daemonset.template.generation'

export const daemonSetStrategy: Strategy<DaemonSet> = {
  ...plainStrategy,
  hasGeneration: true,

  setDefaults({ metadata, spec }) {
    if (!spec) return
    if (spec.template?.metadata?.labels && metadata) metadata.labels ??= { ...spec.template.metadata.labels }
    spec.revisionHistoryLimit ??= 10
    spec.updateStrategy ??= {}
    spec.updateStrategy.type ||= 'RollingUpdate'
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {}
      spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1
      spec.updateStrategy.rollingUpdate.maxSurge ??= 0
    }
    if (spec.template?.spec) setPodSpecDefaults(spec.template.spec)
  },

  prepareCreate(set) {
    set.metadata = { ...set.metadata, annotations: { ...set.metadata?.annotations, [templateGeneration]: '1' } }
    set.status = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 }
  },

  prepareUpdate(set, previous) {
    if (set.spec?.template?.spec) setPodSpecDefaults(set.spec.template.spec)
    const before = Number(previous.metadata?.annotations?.[templateGeneration] ?? 1)
    const changed = !jsonEqual(set.spec?.template, previous.spec?.template)
    const annotations = { ...set.metadata?.annotations, [templateGeneration]: String(before + (changed ? 1 : 0)) }
    set.metadata = { ...set.metadata, annotations }
  },

  validate({ spec }) {
    if (!spec) return [required('spec')]
    const { maxSurge, maxUnavailable } = spec.updateStrategy?.rollingUpdate ?? {}
    const at = 'spec.updateStrategy.rollingUpdate'
    const isZero = (amount: number | string | undefined): boolean => Number.parseInt(String(amount ?? 0), 10) === 0
    const problems = [
      ...validateWorkloadSelector(spec.selector, spec.template, 'daemonset'),
      ...validateLastingTemplate(spec.template, 'DaemonSet'),
      ...notNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
      ...notNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
      ...oneOf(spec.updateStrategy?.type, ['OnDelete', 'RollingUpdate'], 'spec.updateStrategy.type'),
      ...countOrPercent(maxUnavailable, `${at}.maxUnavailable`),
      ...countOrPercent(maxSurge, `${at}.maxSurge`),
    ]
    if (!spec.updateStrategy?.rollingUpdate) return problems
    if (isZero(maxSurge) && isZero(maxUnavailable)) problems.push(required(`${at}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'))
    if (!isZero(maxSurge) && !isZero(maxUnavailable)) {
      problems.push(invalid(`${at}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'))
    }
    return problems
  },

  validateUpdate: ({ spec }, { spec: previous }) => validateImmutable(spec?.selector, previous?.selector, 'spec.selector'),
}

export const replicationControllerStrategy: Strategy<ReplicationController> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ metadata, spec }) {
    if (!spec) return
    const labels = spec.template?.metadata?.labels
    if (labels && Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels }
    if (labels && metadata) metadata.labels ??= { ...labels }
    spec.replicas ??= 1
    if (spec.template?.spec) setPodSpecDefaults(spec.template.spec)
  },
  prepareCreate(controller) {
    controller.status = { replicas: 0 }
  },
  validate({ spec }) {
    if (!spec) return [required('spec')]
    const problems = [...notNegative(spec.replicas, 'spec.replicas'), ...notNegative(spec.minReadySeconds, 'spec.minReadySeconds')]
    const { selector = {}, template } = spec
    if (Object.keys(selector).length === 0) problems.push(required('spec.selector'))
    else {
      problems.push(...validateLabels(selector, 'spec.selector'))
      const labels = template?.metadata?.labels ?? {}
      if (template && Object.entries(selector).some(([key, value]) => labels[key] !== value)) {
        problems.push(invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'))
      }
    }
    return [...problems, ...validateLastingTemplate(template, 'ReplicationController')]
  },
  selectableFields: ({ status }) => ({ 'status.replicas': String(status?.replicas ?? 0) }),
}

export const controllerRevisionStrategy: Strategy<ControllerRevision> = {
  ...plainStrategy,
  validate: ({ data, revision }) => [
    ...notNegative(revision, 'revision'),
    ...(data === undefined || data === null ? [required('data', 'data is mandatory')] : []),
  ],
  validateUpdate: ({ data }, previous) => validateImmutable(data, previous.data, 'data'),
}

export const podTemplateStrategy: Strategy<PodTemplate> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ template }) {
    if (template?.spec) setPodSpecDefaults(template.spec)
  },
  validate: ({ template }) => (template ? validateTemplate(template, 'template') : [required('template')]),
}
