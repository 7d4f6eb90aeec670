import { type FieldProblem, forbidden, invalid, notSupported, required } from '../field-problem.js'
import { between, notNegative, oneOf } from '../field-rules.js'
import type { CronJob, Job, JobSpec } from '../generated/types.js'
import { type Draft, jsonEqual } from '../json.js'
import { checkDnsSubdomain } from '../name-format.js'
import type { Strategy } from '../resource-type.js'
import { validateImmutable, validateLabelSelector } from '../validate-meta.js'
import { checkSchedule, isTimeZone } from './cron-schedule.js'
import { plainStrategy } from './plain-strategy.js'
import { setPodSpecDefaults } from './pod-template.js'
import { validateTemplate } from './workload-template.js'

const uidLabel = 'batch.kubernetes.io/controller-uid'
const nameLabel = 'batch.kubernetes.io/job-name'
/** As they were before labels had prefixes. */
const oldLabels = { uid: 'controller-uid', name: 'job-name' }
const most32 = 2 ** 31 - 1

function setJobDefaults(spec: Draft<JobSpec>): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
  spec.parallelism ??= 1
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : most32
  spec.completionMode ??= 'NonIndexed'
  spec.suspend ??= false
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed'
  spec.manualSelector ??= false
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) pattern.status ??= 'True'
  }
  if (spec.template?.spec) setPodSpecDefaults(spec.template.spec)
}

export const jobStrategy: Strategy<Job> = {
  ...plainStrategy,
  hasGeneration: true,

  setDefaults(job) {
    if (!job.spec) return
    const labels = job.spec.template?.metadata?.labels
    if (labels && job.metadata) job.metadata.labels ??= { ...labels }
    setJobDefaults(job.spec)
  },

  /** A Job finds its Pods by its own uid, unless the writer wants to say how. */
  prepareCreate({ metadata, spec }) {
    if (!spec?.template || spec.manualSelector || !metadata?.uid) return
    const { uid, name = '' } = metadata
    const labels = { [oldLabels.uid]: uid, [uidLabel]: uid, [oldLabels.name]: name, [nameLabel]: name }
    spec.template.metadata = { ...spec.template.metadata, labels: { ...spec.template.metadata?.labels, ...labels } }
    spec.selector ??= {}
    spec.selector.matchLabels = { ...spec.selector.matchLabels, [uidLabel]: uid }
  },

  validate({ spec }) {
    if (!spec) return [required('spec')]
    const problems = validateJobSpec(spec, 'spec')
    if (!spec.selector) problems.push(required('spec.selector'))
    else problems.push(...validateLabelSelector(spec.selector, 'spec.selector'))
    return problems
  },

  validateUpdate({ spec }, { spec: previous, status }) {
    if (!spec || !previous) return []
    const problems: FieldProblem[] = []
    const grows = spec.completionMode === 'Indexed' && spec.completions === spec.parallelism
    if (!grows) problems.push(...validateImmutable(spec.completions, previous.completions, 'spec.completions'))
    for (const field of ['selector', 'completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const) {
      problems.push(...validateImmutable(spec[field], previous[field], `spec.${field}`))
    }
    // What decides where Pods go may change as long as none was ever started.
    const mayMove = previous.suspend === true && status?.startTime === undefined
    const [now, before] = mayMove ? [placeless(spec), placeless(previous)] : [spec.template, previous.template]
    problems.push(...(jsonEqual(now, before) ? [] : [invalid('spec.template', spec.template, 'field is immutable')]))
    return problems
  },

  selectableFields: ({ status }) => ({ 'status.successful': String(status?.succeeded ?? 0) }),
}

function placeless({ template }: JobSpec): object {
  const { nodeSelector: _, affinity: __, tolerations: ___, schedulingGates: ____, ...spec } = template.spec ?? { containers: [] }
  return { ...template, metadata: {}, spec }
}

function validateJobSpec(spec: JobSpec, field: string): FieldProblem[] {
  const problems: FieldProblem[] = [
    ...notNegative(spec.parallelism, `${field}.parallelism`),
    ...notNegative(spec.completions, `${field}.completions`),
    ...notNegative(spec.activeDeadlineSeconds, `${field}.activeDeadlineSeconds`),
    ...notNegative(spec.backoffLimit, `${field}.backoffLimit`),
    ...notNegative(spec.backoffLimitPerIndex, `${field}.backoffLimitPerIndex`),
    ...notNegative(spec.maxFailedIndexes, `${field}.maxFailedIndexes`),
    ...notNegative(spec.ttlSecondsAfterFinished, `${field}.ttlSecondsAfterFinished`),
    ...oneOf(spec.completionMode, ['Indexed', 'NonIndexed'], `${field}.completionMode`),
    ...oneOf(spec.podReplacementPolicy, ['Failed', 'TerminatingOrFailed'], `${field}.podReplacementPolicy`),
  ]
  if (spec.completionMode === 'Indexed') {
    if (spec.completions === undefined) problems.push(required(`${field}.completions`, 'when completion mode is Indexed'))
    problems.push(...between(spec.parallelism, 0, 100_000, `${field}.parallelism`))
  } else if (spec.backoffLimitPerIndex !== undefined) {
    problems.push(invalid(`${field}.backoffLimitPerIndex`, spec.backoffLimitPerIndex, 'requires indexed completion mode'))
  }
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    problems.push(required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'))
  }
  if (!spec.template) return [...problems, required(`${field}.template`)]
  problems.push(...validateTemplate(spec.template, `${field}.template`))
  const { restartPolicy } = spec.template.spec ?? {}
  const at = `${field}.template.spec.restartPolicy`
  if (restartPolicy === 'Always') problems.push(notSupported(at, restartPolicy, ['Never', 'OnFailure']))
  else if (spec.podFailurePolicy && restartPolicy !== 'Never') {
    problems.push(invalid(at, restartPolicy, 'only "Never" is supported when podFailurePolicy is specified'))
  }
  return problems
}

/** A Job's name is the CronJob's with 11 characters behind. */
const longestCronJobName = 52

export const cronJobStrategy: Strategy<CronJob> = {
  ...plainStrategy,
  hasGeneration: true,
  checkName: text => [
    ...checkDnsSubdomain(text),
    ...(text.length > longestCronJobName ? [`must be no more than ${longestCronJobName} characters`] : []),
  ],

  setDefaults({ spec }) {
    if (!spec) return
    spec.concurrencyPolicy ||= 'Allow'
    spec.suspend ??= false
    spec.successfulJobsHistoryLimit ??= 3
    spec.failedJobsHistoryLimit ??= 1
    if (spec.jobTemplate?.spec?.template?.spec) setPodSpecDefaults(spec.jobTemplate.spec.template.spec)
  },

  validate({ spec }) {
    if (!spec) return [required('spec')]
    const problems: FieldProblem[] = [
      ...(spec.schedule
        ? checkSchedule(spec.schedule).map(why => invalid('spec.schedule', spec.schedule, why))
        : [required('spec.schedule')]),
      ...notNegative(spec.startingDeadlineSeconds, 'spec.startingDeadlineSeconds'),
      ...notNegative(spec.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit'),
      ...notNegative(spec.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit'),
      ...oneOf(spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace'], 'spec.concurrencyPolicy'),
    ]
    if (spec.timeZone !== undefined && !isTimeZone(spec.timeZone)) {
      problems.push(invalid('spec.timeZone', spec.timeZone, `unknown time zone ${spec.timeZone}`))
    }
    if (/TZ/.test(spec.schedule ?? '')) {
      problems.push(invalid('spec.schedule', spec.schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'))
    }
    if (!spec.jobTemplate?.spec) return [...problems, required('spec.jobTemplate.spec')]
    if (spec.jobTemplate.spec.manualSelector) {
      problems.push(notSupported('spec.jobTemplate.spec.manualSelector', true, ['nil', 'false']))
    }
    if (spec.jobTemplate.spec.selector) {
      problems.push(forbidden('spec.jobTemplate.spec.selector', '`selector` will be auto-generated'))
    }
    return [...problems, ...validateJobSpec(spec.jobTemplate.spec, 'spec.jobTemplate.spec')]
  },
}
