import { pods } from '../../../api/generated/resources.js'
import type { Node, Pod, AuthenticationTokenRequest as TokenRequest } from '../../../api/generated/types.js'
import { jsonEqual } from '../../../api/json.js'
import { forbiddenRequest } from '../../../api/status.js'
import type { User } from '../authentication.js'
import { nodeOfUser } from '../authorization/node-authorizer.js'
import type { PolicyObjects } from '../authorization/policy-objects.js'
import { type AdmissionPlugin, type AdmissionRequest, refused } from './admission-plugin.js'

const mirrorAnnotation = 'kubernetes.io/config.mirror'
const leaseNamespace = 'kube-node-lease'
/** Labels in Kubernetes' own domains that a kubelet may set on its Node. Facts: Kubernetes documentation, NodeRestriction. */
const ownLabels = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/os',
])
const ownLabelDomains = ['kubelet.kubernetes.io', 'node.kubernetes.io']

/** What the Node authorizer lets a node write, narrowed to its own Node, Lease and Pods, and to the labels that are a node's to set. */
export const nodeRestrictionPlugin: AdmissionPlugin = {
  name: 'NodeRestriction',
  validate(request) {
    const node = nodeOfUser(request.user)
    if (node === undefined) return undefined
    const { group, resource } = request.resource
    const check = checks[`${group}/${resource}`]
    const why = check?.(node, request)
    if (why !== undefined) throw refused(request, why)
    return undefined
  },
}

const quoted = (text: string | undefined): string => JSON.stringify(text ?? '')

/** Why a node may not write this; undefined when it may. */
const checks: Readonly<Record<string, (node: string, request: AdmissionRequest) => string | undefined>> = {
  '/pods': podProblem,
  '/nodes': nodeProblem,
  'coordination.k8s.io/leases'(node, { object: { metadata } }) {
    if (metadata.namespace !== leaseNamespace) return `can only access leases in the ${quoted(leaseNamespace)} system namespace`
    return metadata.name === node ? undefined : 'can only access node lease with the same name as the requesting node'
  },
  'storage.k8s.io/csinodes': (node, { object: { metadata } }) =>
    metadata.name === node ? undefined : 'can only access CSINode with the same name as the requesting node',
}

function podProblem(node: string, { operation, subresource, object, previous }: AdmissionRequest): string | undefined {
  const who = `node ${quoted(node)}`
  const pod = object as Pod
  const isOwn = (previous ?? (object as Pod)) && ((previous ?? object) as Pod).spec?.nodeName === node
  if (operation === 'DELETE') return isOwn ? undefined : `${who} can only delete pods with spec.nodeName set to itself`
  if (operation === 'UPDATE') {
    if (subresource !== 'status') return `unexpected operation ${quoted(operation)}, ${who} can only update the status of pods`
    if (!isOwn) return `${who} can only update pod status for pods with spec.nodeName set to itself`
    return jsonEqual(pod.metadata?.labels ?? {}, previous?.metadata?.labels ?? {})
      ? undefined
      : `${who} cannot update labels through pod status`
  }
  if (pod.metadata?.annotations?.[mirrorAnnotation] === undefined) {
    return `pod does not have ${quoted(mirrorAnnotation)} annotation, ${who} can only create mirror pods`
  }
  return isOwn ? undefined : `${who} can only create pods with spec.nodeName set to itself`
}

function nodeProblem(node: string, { operation, subresource, object, previous }: AdmissionRequest): string | undefined {
  const { metadata, spec } = object as Node
  const who = `node ${quoted(node)}`
  if (metadata?.name !== node) return `${who} is not allowed to modify node ${quoted(metadata?.name)}`
  if (operation === 'DELETE') return `${who} is not allowed to delete node ${quoted(node)}`
  if (subresource !== '') return undefined
  const before = (previous as Node | undefined)?.metadata?.labels ?? {}
  const after = metadata.labels ?? {}
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(label => before[label] !== after[label])
  const notOwn = changed.filter(label => !isOwnLabel(label)).toSorted()
  if (notOwn.length > 0) {
    return operation === 'CREATE'
      ? `${who} is not allowed to set the following labels: ${notOwn.join(', ')}`
      : `is not allowed to modify labels: ${notOwn.join(', ')}`
  }
  if (operation === 'CREATE') return undefined
  return jsonEqual(spec?.taints ?? [], (previous as Node).spec?.taints ?? []) ? undefined : `${who} is not allowed to modify taints`
}

/** Labels of other domains are anybody's. */
function isOwnLabel(label: string): boolean {
  const [domain = '', name] = label.split('/')
  if (name === undefined || ownLabels.has(label)) return true
  if (ownLabelDomains.some(own => domain === own || domain.endsWith(`.${own}`))) return true
  return !['kubernetes.io', 'k8s.io'].some(reserved => domain === reserved || domain.endsWith(`.${reserved}`))
}

/** A node gets tokens for the Pods that run on it, and no others. Throws 403. */
export function refuseTokenOfOthers(
  objects: Pick<PolicyObjects, 'get'>,
  user: User,
  namespace: string,
  { metadata, spec }: TokenRequest,
): void {
  const node = nodeOfUser(user)
  if (node === undefined) return
  const forbid = (why: string): Error =>
    forbiddenRequest({ group: '', resource: 'serviceaccounts', kind: 'ServiceAccount' }, metadata?.name ?? '', why)
  const ref = spec?.boundObjectRef
  if (ref?.kind !== 'Pod') throw forbid('node requested token not bound to a pod')
  if (!ref.uid) throw forbid('node requested token with a pod binding without a uid')
  const pod = objects.get(pods, { namespace, name: ref.name ?? '' })
  if (pod?.metadata?.uid !== ref.uid) throw forbid(`the UID in the bound object reference (${ref.uid}) does not match the UID in record`)
  if (pod.spec?.nodeName !== node) throw forbid('node requested token bound to a pod scheduled on a different node')
}
