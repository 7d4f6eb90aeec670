import { type FieldProblem, forbidden, invalid, notSupported, required } from '../field-problem.js'
import type { LabelSelector, PodTemplateSpec } from '../generated/types.js'
import { selectorMatches } from '../selector.js'
import { validateLabelSelector, validateLabels } from '../validate-meta.js'
import { validatePodSpec } from './pod-spec-validation.js'

/** A workload's selector, which must match the Pods of its template. `kind` is upstream's word in its message. */
export function validateWorkloadSelector(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  kind: string,
): FieldProblem[] {
  if (!selector) return [required('spec.selector')]
  const problems = validateLabelSelector(selector, 'spec.selector')
  const terms = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions?.length ?? 0)
  if (terms === 0) problems.push(invalid('spec.selector', selector, `empty selector is invalid for ${kind}`))
  else if (template && problems.length === 0 && !selectorMatches(selector, template.metadata?.labels ?? {})) {
    problems.push(
      invalid('spec.template.metadata.labels', template.metadata?.labels ?? null, '`selector` does not match template `labels`'),
    )
  }
  return problems
}

/** A template for Pods that are restarted for ever, as all workloads but Jobs have. */
export function validateLastingTemplate(template: PodTemplateSpec | undefined, kind = 'ReplicaSet'): FieldProblem[] {
  if (!template) return [required('spec.template')]
  const problems = validateTemplate(template, 'spec.template')
  const { restartPolicy, activeDeadlineSeconds } = template.spec ?? {}
  if (restartPolicy !== undefined && restartPolicy !== 'Always') {
    problems.push(notSupported('spec.template.spec.restartPolicy', restartPolicy, ['Always']))
  }
  if (activeDeadlineSeconds !== undefined) {
    problems.push(forbidden('spec.template.spec.activeDeadlineSeconds', `activeDeadlineSeconds in ${kind} is not Supported`))
  }
  return problems
}

export const validateTemplate = (template: PodTemplateSpec, field: string): FieldProblem[] => [
  ...validateLabels(template.metadata?.labels, `${field}.labels`),
  ...validatePodSpec(template.spec, `${field}.spec`),
]
