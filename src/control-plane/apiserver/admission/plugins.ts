import type { Access } from '../access.js'
import type { PolicyObjects } from '../authorization/policy-objects.js'
import type { AdmissionPlugin } from './admission-plugin.js'
import { certificateApprovalPlugin, certificateSigningPlugin, certificateSubjectRestrictionPlugin } from './certificate-requests.js'
import { defaultIngressClassPlugin, defaultStorageClassPlugin } from './default-classes.js'
import { defaultTolerationSecondsPlugin } from './default-toleration-seconds.js'
import { limitRangerPlugin } from './limit-ranger.js'
import { namespaceLifecyclePlugin } from './namespace-lifecycle.js'
import { nodeRestrictionPlugin } from './node-restriction.js'
import { priorityPlugin } from './priority.js'
import { rbacEscalationPlugin } from './rbac-escalation.js'
import { resourceQuotaPlugin } from './resource-quota.js'
import { serviceAccountPlugin } from './service-account.js'
import { taintNodesByConditionPlugin } from './taint-nodes-by-condition.js'

interface Parts {
  readonly objects: PolicyObjects
  readonly access: Pick<Access, 'authorizer' | 'rbac'>
  /** Names of plugins that shall not run. */
  readonly disabled?: readonly string[] | undefined
}

/**
 * Every admission plugin in the order in which they run: first all that mutate, top to bottom, then all that validate. Order and names are
 * upstream's; the places of what is not built:
 *
 *   PodSecurity                  after TaintNodesByCondition
 *   MutatingAdmissionWebhook     after DefaultIngressClass
 *   ValidatingAdmissionWebhook   after MutatingAdmissionWebhook, before ResourceQuota
 *   ResourceQuota                last, so that nothing is counted that another plugin refuses
 */
export function admissionPlugins({ objects, access, disabled = [] }: Parts): readonly AdmissionPlugin[] {
  const all: readonly AdmissionPlugin[] = [
    namespaceLifecyclePlugin(objects),
    limitRangerPlugin(objects),
    serviceAccountPlugin(objects),
    nodeRestrictionPlugin,
    taintNodesByConditionPlugin,
    priorityPlugin(objects),
    defaultTolerationSecondsPlugin,
    defaultStorageClassPlugin(objects),
    certificateApprovalPlugin(access.authorizer),
    certificateSigningPlugin(access.authorizer),
    certificateSubjectRestrictionPlugin,
    defaultIngressClassPlugin(objects),
    rbacEscalationPlugin(access.authorizer, access.rbac),
    resourceQuotaPlugin(objects),
  ]
  return all.filter(({ name }) => !disabled.includes(name))
}
