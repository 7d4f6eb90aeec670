import { duplicate, type FieldProblem, invalid, required } from '../field-problem.js'
import { between, namedBy, oneOf } from '../field-rules.js'
import type {
  APIService,
  CertificateSigningRequest,
  FlowSchema,
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhook,
  MutatingWebhookConfiguration,
  PriorityLevelConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '../generated/types.js'
import type { Draft } from '../json.js'
import { checkDns1035Label, checkDnsSubdomain } from '../name-format.js'
import type { Strategy } from '../resource-type.js'
import { validateImmutable } from '../validate-meta.js'
import { plainStrategy } from './plain-strategy.js'

type Webhook = MutatingWebhook | ValidatingWebhook

function setWebhookDefaults(webhook: Draft<Webhook>): void {
  webhook.failurePolicy ??= 'Fail'
  webhook.matchPolicy ??= 'Equivalent'
  webhook.namespaceSelector ??= {}
  webhook.objectSelector ??= {}
  webhook.timeoutSeconds ??= 10
  for (const rule of webhook.rules ?? []) rule.scope ??= '*'
  const { service } = webhook.clientConfig ?? {}
  if (service) service.port ??= 443
}

function validateWebhooks(webhooks: readonly Webhook[]): FieldProblem[] {
  const names = new Set<string>()
  return webhooks.flatMap((webhook, i) => {
    const at = `webhooks[${i}]`
    const problems: FieldProblem[] = []
    if (!webhook.name) problems.push(required(`${at}.name`))
    else if (webhook.name.split('.').length < 3) {
      problems.push(invalid(`${at}.name`, webhook.name, 'should be a domain with at least three segments separated by dots'))
    } else problems.push(...namedBy(webhook.name, checkDnsSubdomain, `${at}.name`))
    if (names.has(webhook.name)) problems.push(duplicate(`${at}.name`, webhook.name))
    names.add(webhook.name)
    if (!webhook.admissionReviewVersions?.length) {
      problems.push(required(`${at}.admissionReviewVersions`, 'must specify one of v1, v1beta1'))
    } else if (!webhook.admissionReviewVersions.some(version => version === 'v1' || version === 'v1beta1')) {
      const detail = 'must include at least one of v1, v1beta1'
      problems.push(invalid(`${at}.admissionReviewVersions`, webhook.admissionReviewVersions, detail))
    }
    if (webhook.sideEffects === undefined) problems.push(required(`${at}.sideEffects`, 'must specify one of None, NoneOnDryRun'))
    problems.push(
      ...oneOf(webhook.sideEffects, ['None', 'NoneOnDryRun'], `${at}.sideEffects`),
      ...oneOf(webhook.failurePolicy, ['Fail', 'Ignore'], `${at}.failurePolicy`),
      ...oneOf(webhook.matchPolicy, ['Equivalent', 'Exact'], `${at}.matchPolicy`),
    )
    const { timeoutSeconds: timeout, clientConfig: { service, url } = {} } = webhook
    if (timeout !== undefined && (timeout < 1 || timeout > 30)) {
      problems.push(invalid(`${at}.timeoutSeconds`, timeout, 'the timeout value must be between 1 and 30 seconds'))
    }
    if ((url === undefined) === (service === undefined)) {
      problems.push(required(`${at}.clientConfig`, 'exactly one of url or service is required'))
    }
    webhook.rules?.forEach(({ operations, apiGroups, apiVersions, resources, scope }, j) => {
      const rule = `${at}.rules[${j}]`
      if (!operations?.length) problems.push(required(`${rule}.operations`))
      if (!apiGroups?.length) problems.push(required(`${rule}.apiGroups`))
      if (!apiVersions?.length) problems.push(required(`${rule}.apiVersions`))
      if (!resources?.length) problems.push(required(`${rule}.resources`))
      problems.push(...oneOf(scope, ['*', 'Cluster', 'Namespaced'], `${rule}.scope`))
      for (const operation of operations ?? []) {
        problems.push(...oneOf(operation, ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'], `${rule}.operations[0]`))
      }
    })
    return problems
  })
}

export const validatingWebhooksStrategy: Strategy<ValidatingWebhookConfiguration> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ webhooks }) {
    for (const webhook of webhooks ?? []) setWebhookDefaults(webhook)
  },
  validate: ({ webhooks = [] }) => validateWebhooks(webhooks),
}

export const mutatingWebhooksStrategy: Strategy<MutatingWebhookConfiguration> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ webhooks }) {
    for (const webhook of webhooks ?? []) {
      setWebhookDefaults(webhook)
      webhook.reinvocationPolicy ??= 'Never'
    }
  },
  validate: ({ webhooks = [] }) => [
    ...validateWebhooks(webhooks),
    ...webhooks.flatMap(({ reinvocationPolicy }, i) =>
      oneOf(reinvocationPolicy, ['IfNeeded', 'Never'], `webhooks[${i}].reinvocationPolicy`),
    ),
  ],
}

function setMatchDefaults(match: Draft<MatchResources> | undefined): void {
  if (!match) return
  match.matchPolicy ??= 'Equivalent'
  match.namespaceSelector ??= {}
  match.objectSelector ??= {}
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) rule.scope ??= '*'
}

export const validatingPolicyStrategy: Strategy<ValidatingAdmissionPolicy> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ spec }) {
    if (!spec) return
    spec.failurePolicy ??= 'Fail'
    setMatchDefaults(spec.matchConstraints)
  },
  validate({ spec }) {
    const { matchConstraints, validations, auditAnnotations } = spec ?? {}
    const problems: FieldProblem[] = oneOf(spec?.failurePolicy, ['Fail', 'Ignore'], 'spec.failurePolicy')
    if (!matchConstraints) problems.push(required('spec.matchConstraints'))
    else if (!matchConstraints.resourceRules?.length) problems.push(required('spec.matchConstraints.resourceRules'))
    if (!validations?.length && !auditAnnotations?.length) {
      const detail = 'validations or auditAnnotations must be non-empty'
      problems.push(required('spec.validations', `${detail}`), required('spec.auditAnnotations', `${detail}`))
    }
    validations?.forEach(({ expression }, i) => {
      if (!expression?.trim()) problems.push(required(`spec.validations[${i}].expression`, 'expression is not specified'))
    })
    return problems
  },
}

export const validatingBindingStrategy: Strategy<ValidatingAdmissionPolicyBinding> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults: ({ spec }) => setMatchDefaults(spec?.matchResources),
  validate: ({ spec }) => [
    ...(spec?.policyName ? [] : [required('spec.policyName')]),
    ...(spec?.validationActions?.length ? [] : [required('spec.validationActions', 'at least one validation action is required')]),
    ...(spec?.validationActions ?? []).flatMap(action => oneOf(action, ['Audit', 'Deny', 'Warn'], 'spec.validationActions')),
  ],
}

export const mutatingPolicyStrategy: Strategy<MutatingAdmissionPolicy> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ spec }) {
    if (!spec) return
    spec.failurePolicy ??= 'Fail'
    spec.reinvocationPolicy ??= 'Never'
    setMatchDefaults(spec.matchConstraints)
  },
  validate: ({ spec }) => [
    ...(spec?.matchConstraints ? [] : [required('spec.matchConstraints')]),
    ...(spec?.mutations?.length ? [] : [required('spec.mutations', 'mutations must contain at least one item')]),
  ],
}

export const mutatingBindingStrategy: Strategy<MutatingAdmissionPolicyBinding> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults: ({ spec }) => setMatchDefaults(spec?.matchResources),
  validate: ({ spec }) => (spec?.policyName ? [] : [required('spec.policyName')]),
}

export const flowSchemaStrategy: Strategy<FlowSchema> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ spec }) {
    if (spec) spec.matchingPrecedence ||= 1000
  },
  validate: ({ spec }) => [
    ...between(spec?.matchingPrecedence, 1, 10_000, 'spec.matchingPrecedence'),
    ...namedBy(spec?.priorityLevelConfiguration?.name, checkDnsSubdomain, 'spec.priorityLevelConfiguration.name'),
    ...oneOf(spec?.distinguisherMethod?.type, ['ByNamespace', 'ByUser'], 'spec.distinguisherMethod'),
  ],
}

export const priorityLevelStrategy: Strategy<PriorityLevelConfiguration> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ spec }) {
    if (spec?.exempt) {
      spec.exempt.nominalConcurrencyShares ??= 0
      spec.exempt.lendablePercent ??= 0
    }
    if (!spec?.limited) return
    spec.limited.nominalConcurrencyShares ??= 30
    spec.limited.lendablePercent ??= 0
    const queuing = spec.limited.limitResponse?.queuing
    if (!queuing) return
    queuing.queues ||= 64
    queuing.handSize ||= 8
    queuing.queueLengthLimit ||= 50
  },
  validate({ spec }) {
    const problems = spec?.type ? oneOf(spec.type, ['Exempt', 'Limited'], 'spec.type') : [required('spec.type')]
    if (spec?.type === 'Limited' && !spec.limited) problems.push(required('spec.limited', 'must not be empty when type is Limited'))
    if (spec?.limited && !spec.limited.limitResponse?.type) problems.push(required('spec.limited.limitResponse.type'))
    return [...problems, ...oneOf(spec?.limited?.limitResponse?.type, ['Queue', 'Reject'], 'spec.limited.limitResponse.type')]
  },
}

export const apiServiceStrategy: Strategy<APIService> = {
  ...plainStrategy,
  setDefaults({ spec }) {
    if (spec?.service) spec.service.port ??= 443
  },
  validate({ metadata, spec }) {
    const wanted = `${spec?.version ?? ''}.${spec?.group ?? ''}`
    const problems: FieldProblem[] = []
    if (metadata?.name !== wanted) {
      problems.push(invalid('metadata.name', metadata?.name, `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`))
    }
    problems.push(...namedBy(spec?.version, checkDns1035Label, 'spec.version'))
    problems.push(...between(spec?.groupPriorityMinimum, 1, 20_000, 'spec.groupPriorityMinimum'))
    problems.push(...between(spec?.versionPriority, 1, 1000, 'spec.versionPriority'))
    return problems
  },
  selectableFields: ({ spec }) => ({ 'spec.group': spec?.group ?? '', 'spec.version': spec?.version ?? '' }),
}

const usages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
]
const shortestCertificateSeconds = 600

export const certificateSigningRequestStrategy: Strategy<CertificateSigningRequest> = {
  ...plainStrategy,
  prepareCreate(request) {
    request.status = {}
  },
  /** What was asked for stands; whoever wants something else asks again. */
  prepareUpdate(request, previous) {
    if (previous.spec) request.spec = structuredClone(previous.spec) as Draft<typeof previous.spec>
  },
  validate({ spec }) {
    const problems: FieldProblem[] = []
    const pem = Buffer.from(spec?.request ?? '', 'base64').toString()
    if (!spec?.request) problems.push(required('spec.request'))
    else if (!pem.includes('-----BEGIN CERTIFICATE REQUEST-----') && !pem.includes('-----BEGIN NEW CERTIFICATE REQUEST-----')) {
      problems.push(invalid('spec.request', spec.request, 'PEM block type must be CERTIFICATE REQUEST'))
    }
    if (!spec?.usages?.length) problems.push(required('spec.usages', 'usages must contain at least one value'))
    spec?.usages?.forEach((usage, i) => {
      problems.push(...oneOf(usage, usages, `spec.usages[${i}]`))
    })
    const [domain = '', ...path] = (spec?.signerName ?? '').split('/')
    if (!spec?.signerName) problems.push(required('spec.signerName'))
    else if (path.join('/') === '') {
      problems.push(
        invalid('spec.signerName', spec.signerName, 'must be a fully qualified domain and path of the form "example.com/signer-name"'),
      )
    } else problems.push(...namedBy(domain, checkDnsSubdomain, 'spec.signerName'))
    if (spec?.expirationSeconds !== undefined && spec.expirationSeconds < shortestCertificateSeconds) {
      problems.push(
        invalid(
          'spec.expirationSeconds',
          spec.expirationSeconds,
          `may not specify a duration less than ${shortestCertificateSeconds} seconds (10 minutes)`,
        ),
      )
    }
    return problems
  },
  validateUpdate: ({ spec }, previous) => validateImmutable(spec, previous.spec, 'spec'),
  selectableFields: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '' }),
}
