import { type FieldProblem, forbidden, invalid, required } from '../field-problem.js'
import { oneOf } from '../field-rules.js'
import type { Deployment, DeploymentSpec, ReplicaSet } from '../generated/types.js'
import type { Strategy } from '../resource-type.js'
import { validateImmutable } from '../validate-meta.js'
import { plainStrategy } from './plain-strategy.js'
import { setPodSpecDefaults } from './pod-template.js'
import { validateLastingTemplate, validateWorkloadSelector } from './workload-template.js'

export const deploymentStrategy: Strategy<Deployment> = {
  ...plainStrategy,
  hasGeneration: true,

  setDefaults({ spec }) {
    if (!spec) return
    spec.replicas ??= 1
    spec.revisionHistoryLimit ??= 10
    spec.progressDeadlineSeconds ??= 600
    spec.strategy ??= {}
    spec.strategy.type ||= 'RollingUpdate'
    if (spec.strategy.type === 'RollingUpdate') {
      spec.strategy.rollingUpdate ??= {}
      spec.strategy.rollingUpdate.maxSurge ??= '25%'
      spec.strategy.rollingUpdate.maxUnavailable ??= '25%'
    }
    if (spec.template?.spec) setPodSpecDefaults(spec.template.spec)
  },

  validate({ spec }) {
    if (!spec) return [required('spec')]
    return [
      ...validateCounts(spec),
      ...validateWorkloadSelector(spec.selector, spec.template, 'deployment'),
      ...validateLastingTemplate(spec.template),
      ...validateRollout(spec),
    ]
  },

  validateUpdate: ({ spec }, { spec: previous }) => validateImmutable(spec?.selector, previous?.selector, 'spec.selector'),
}

export const replicaSetStrategy: Strategy<ReplicaSet> = {
  ...plainStrategy,
  hasGeneration: true,

  setDefaults({ spec, metadata }) {
    if (!spec) return
    spec.replicas ??= 1
    if (spec.template?.metadata?.labels && metadata) metadata.labels ??= { ...spec.template.metadata.labels }
    if (spec.template?.spec) setPodSpecDefaults(spec.template.spec)
  },

  prepareCreate(set) {
    set.status = { replicas: 0 }
  },

  validate({ spec }) {
    if (!spec) return [required('spec')]
    return [
      ...validateCounts(spec),
      ...validateWorkloadSelector(spec.selector, spec.template, 'deployment'),
      ...validateLastingTemplate(spec.template),
    ]
  },

  validateUpdate: ({ spec }, { spec: previous }) => validateImmutable(spec?.selector, previous?.selector, 'spec.selector'),

  selectableFields: ({ status }) => ({ 'status.replicas': String(status?.replicas ?? 0) }),
}

function validateCounts(
  spec: Pick<DeploymentSpec, 'replicas' | 'minReadySeconds' | 'revisionHistoryLimit' | 'progressDeadlineSeconds'>,
): FieldProblem[] {
  const keys = ['replicas', 'minReadySeconds', 'revisionHistoryLimit', 'progressDeadlineSeconds'] as const
  const problems = keys.flatMap(key => {
    const value = spec[key]
    return value !== undefined && value < 0 ? [invalid(`spec.${key}`, value, 'must be greater than or equal to 0')] : []
  })
  const { progressDeadlineSeconds: deadline, minReadySeconds: ready = 0 } = spec
  if (deadline !== undefined && deadline <= ready) {
    problems.push(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'))
  }
  return problems
}

function validateRollout({ strategy = {} }: DeploymentSpec): FieldProblem[] {
  const problems = oneOf(strategy.type, ['Recreate', 'RollingUpdate'], 'spec.strategy.type')
  if (strategy.type === 'Recreate' && strategy.rollingUpdate) {
    return [...problems, forbidden('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'")]
  }
  if (!strategy.rollingUpdate) return problems
  const amounts = (['maxUnavailable', 'maxSurge'] as const).map(key => {
    const at = `spec.strategy.rollingUpdate.${key}`
    const value = strategy.rollingUpdate?.[key] ?? 0
    if (typeof value === 'number') {
      if (value < 0) problems.push(invalid(at, value, 'must be greater than or equal to 0'))
      return value
    }
    if (!/^\d+%$/.test(value)) {
      problems.push(
        invalid(
          at,
          value,
          "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        ),
      )
      return 1
    }
    const percent = Number.parseInt(value, 10)
    if (key === 'maxUnavailable' && percent > 100) problems.push(invalid(at, value, 'must not be greater than 100%'))
    return percent
  })
  if (amounts.every(amount => amount === 0)) {
    problems.push(
      invalid('spec.strategy.rollingUpdate.maxUnavailable', strategy.rollingUpdate.maxUnavailable, 'may not be 0 when `maxSurge` is 0'),
    )
  }
  return problems
}
