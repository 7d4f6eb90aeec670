import type { PolicyObjects } from '../authorization/policy-objects.js'
import type { AdmissionPlugin } from './admission-plugin.js'
import { serviceAccountPlugin } from './service-account.js'

interface Parts {
  readonly objects: PolicyObjects
  /** Names of plugins that shall not run. */
  readonly disabled?: readonly string[] | undefined
}

/**
 * Every admission plugin in the order in which they run: first all that mutate, top to bottom, then all that validate. The order is
 * upstream's, and so are the names.
 *
 *   NamespaceLifecycle … DefaultIngressClass   change what the request left out, refuse what may not be
 *   PodSecurity                                its place is after TaintNodesByCondition; not built
 *   MutatingAdmissionWebhook                   its place is after DefaultIngressClass, among those that mutate; not built
 *   ValidatingAdmissionWebhook                 its place is before ResourceQuota, among those that validate; not built
 *   ResourceQuota                              last, so that nothing is counted that another plugin refuses
 */
export function admissionPlugins({ objects, disabled = [] }: Parts): readonly AdmissionPlugin[] {
  const all: readonly AdmissionPlugin[] = [serviceAccountPlugin(objects)]
  return all.filter(({ name }) => !disabled.includes(name))
}
