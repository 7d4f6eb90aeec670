import { persistentvolumeclaims, persistentvolumes, pods } from '../../../api/generated/resources.js'
import type { Container, PersistentVolumeClaim, Pod, Volume } from '../../../api/generated/types.js'
import type { Attributes, ResourceAttributes } from './attributes.js'
import type { Authorizer, Verdict } from './authorizer.js'
import { nodeRules } from './node-rules.js'
import type { PolicyObjects } from './policy-objects.js'
import { ruleAllows } from './policy-rule.js'

const userPrefix = 'system:node:'
const nodesGroup = 'system:nodes'
const leaseNamespace = 'kube-node-lease'

/** The node that a user is; undefined for everybody else. */
export const nodeOfUser = ({ name, groups }: Attributes['user']): string | undefined =>
  groups.includes(nodesGroup) && name.startsWith(userPrefix) ? name.slice(userPrefix.length) : undefined

/**
 * Lets each kubelet read what the Pods of its own node refer to, and no more. What it may write of its own Node and Pods is narrowed
 * further by the admission plugin NodeRestriction. Source: Kubernetes documentation, Using Node Authorization.
 */
export function nodeAuthorizer(objects: PolicyObjects): Authorizer {
  const podsOf = podsByNode(objects)
  const isReferred = (node: string, wanted: ResourceAttributes): boolean => podsOf(node).some(pod => refers(objects, pod, wanted))

  function decide(node: string, attributes: Attributes): Verdict {
    const { verb, resource } = attributes
    if (resource) {
      const rule = graphRules[`${resource.group}/${resource.resource}`]
      if (rule) return rule({ node, verb, resource, isReferred: () => isReferred(node, resource) })
    }
    return { allowed: nodeRules.some(rule => ruleAllows(rule, attributes)) }
  }

  return {
    authorize(attributes) {
      const node = nodeOfUser(attributes.user)
      return node === undefined ? { allowed: false } : decide(node, attributes)
    },
    rulesFor: user =>
      nodeOfUser(user) === undefined ? { rules: [] } : { rules: [], incomplete: 'node authorizer does not support user rule resolution' },
  }
}

interface GraphQuestion {
  readonly node: string
  readonly verb: string
  readonly resource: ResourceAttributes
  isReferred(): boolean
}

const yes: Verdict = { allowed: true }
const no = (reason: string): Verdict => ({ allowed: false, reason })

/** A resource that a node may read one by one, when a Pod of its own refers to the object. */
const referred =
  (verbs: readonly string[]) =>
  ({ node, verb, resource, isReferred }: GraphQuestion): Verdict => {
    if (!verbs.includes(verb)) return no(`can only ${verbs.length === 1 ? verbs[0] : 'read'} resources of this type`)
    if (resource.subresource !== '') return no('cannot read subresource')
    if (resource.name === '') return no(verbs.length === 1 ? 'No Object name found' : 'can only read namespaced object of this type')
    return isReferred() ? yes : no(`no relationship found between node '${node}' and this object`)
  }

const readVerbs = ['get', 'list', 'watch']

/** The resources that depend on which Pods run where; everything else follows `nodeRules`. */
const graphRules: Readonly<Record<string, (question: GraphQuestion) => Verdict>> = {
  '/secrets': referred(readVerbs),
  '/configmaps': referred(readVerbs),
  '/persistentvolumeclaims': referred(['get']),
  '/persistentvolumes': referred(['get']),
  'resource.k8s.io/resourceclaims': referred(['get']),
  '/serviceaccounts'({ node, verb, resource, isReferred }) {
    const isTokenRequest = verb === 'create' && resource.subresource === 'token'
    const isRead = verb === 'get' && resource.subresource === ''
    if (!isTokenRequest && !isRead) return no('can only get serviceaccounts and create tokens for individual service accounts')
    return isReferred() ? yes : no(`no relationship found between node '${node}' and this object`)
  },
  'coordination.k8s.io/leases'({ node, verb, resource }) {
    if (resource.subresource !== '' || resource.namespace !== leaseNamespace) {
      return no(`can only access leases in the "${leaseNamespace}" system namespace`)
    }
    if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb))
      return no('can only get, create, update, patch, or delete a node lease')
    return verb === 'create' || resource.name === node ? yes : no('can only access node lease with the same name as the requesting node')
  },
  'storage.k8s.io/csinodes'({ node, verb, resource }) {
    if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb))
      return no('can only get, create, update, patch, or delete a CSINode')
    return verb === 'create' || resource.name === node ? yes : no('can only access CSINode with the same name as the requesting node')
  },
  '/nodes'({ node, verb, resource }) {
    if (resource.subresource === 'status') {
      return ['update', 'patch'].includes(verb) && resource.name === node
        ? yes
        : no(`node '${node}' cannot change the status of other nodes`)
    }
    if (resource.subresource !== '') return no('cannot access subresources of nodes')
    if (verb === 'create') return yes
    const isOwn = resource.name === node
    if (readVerbs.includes(verb)) return isOwn ? yes : no(`node '${node}' cannot read all nodes, only its own Node object`)
    return isOwn && ['update', 'patch'].includes(verb) ? yes : no(`node '${node}' cannot ${verb} nodes other than its own`)
  },
  '/pods'({ node, verb, resource, isReferred }) {
    if (resource.subresource === 'status') return ['update', 'patch'].includes(verb) ? yes : no('can only update the status of pods')
    if (resource.subresource === 'eviction') return verb === 'create' ? yes : no('can only create evictions')
    if (resource.subresource !== '') return no('cannot access subresources of pods')
    if (verb === 'create' || verb === 'delete') return yes // NodeRestriction knows whose they are.
    if (verb === 'get' && isReferred()) return yes
    const selectsOwn = resource.selectedFields?.['spec.nodeName'] === node
    if ((verb === 'list' || verb === 'watch') && selectsOwn) return yes
    return no(
      `can only ${readVerbs.includes(verb) ? verb : 'read'} pods with spec.nodeName field selector, or pods related to the node '${node}'`,
    )
  },
}

/** The Pods bound to a node, kept up to date by the cache. */
function podsByNode(objects: PolicyObjects): (node: string) => readonly Pod[] {
  const nodes = new Map<string, Map<string, Pod>>()
  const keyOf = ({ metadata }: Pod): string => `${metadata?.namespace}/${metadata?.name}`
  const note = (before: Pod | undefined, after: Pod | undefined): void => {
    if (before?.spec?.nodeName && before.spec.nodeName !== after?.spec?.nodeName) nodes.get(before.spec.nodeName)?.delete(keyOf(before))
    const node = after?.spec?.nodeName
    if (!after || !node) return
    const known = nodes.get(node) ?? new Map<string, Pod>()
    nodes.set(node, known.set(keyOf(after), after))
  }
  for (const pod of objects.list(pods)) note(undefined, pod)
  objects.onChange([pods], note)
  return node => [...(nodes.get(node)?.values() ?? [])]
}

function refers(objects: PolicyObjects, pod: Pod, { group, resource, namespace, name }: ResourceAttributes): boolean {
  const { metadata, spec } = pod
  if (resource === 'persistentvolumes') {
    return claimsOf(pod).some(
      claim => objects.get(persistentvolumeclaims, { namespace: metadata?.namespace ?? '', name: claim })?.spec?.volumeName === name,
    )
  }
  if (metadata?.namespace !== namespace || !spec) return false
  switch (`${group}/${resource}`) {
    case '/pods':
      return metadata.name === name
    case '/serviceaccounts':
      return spec.serviceAccountName === name
    case '/persistentvolumeclaims':
      return claimsOf(pod).includes(name)
    case '/configmaps':
      return configMapsOf(pod).has(name)
    case '/secrets':
      return secretsOf(pod).has(name) || claimsOf(pod).some(claim => secretsOfVolume(objects, namespace, claim).includes(name))
    case 'resource.k8s.io/resourceclaims':
      return (
        (pod.status?.resourceClaimStatuses ?? []).some(({ resourceClaimName }) => resourceClaimName === name) ||
        (spec.resourceClaims ?? []).some(({ resourceClaimName }) => resourceClaimName === name)
      )
    default:
      return false
  }
}

const volumesOf = ({ spec }: Pod): readonly Volume[] => spec?.volumes ?? []
type AnyContainer = Pick<Container, 'env' | 'envFrom'>
const containersOf = ({ spec }: Pod): readonly AnyContainer[] => [
  ...(spec?.containers ?? []),
  ...(spec?.initContainers ?? []),
  ...(spec?.ephemeralContainers ?? []),
]

/** Claims by name, and those that a Pod makes for itself. */
const claimsOf = (pod: Pod): readonly string[] =>
  volumesOf(pod).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    if (persistentVolumeClaim) return [persistentVolumeClaim.claimName]
    return ephemeral ? [`${pod.metadata?.name}-${name}`] : []
  })

function configMapsOf(pod: Pod): ReadonlySet<string> {
  const volumes = volumesOf(pod).flatMap(({ configMap, projected }) => [
    configMap?.name,
    ...(projected?.sources ?? []).map(source => source.configMap?.name),
  ])
  const environment = containersOf(pod).flatMap(({ env = [], envFrom = [] }) => [
    ...env.map(({ valueFrom }) => valueFrom?.configMapKeyRef?.name),
    ...envFrom.map(({ configMapRef }) => configMapRef?.name),
  ])
  return new Set([...volumes, ...environment].flatMap(name => name ?? []))
}

function secretsOf(pod: Pod): ReadonlySet<string> {
  const volumes = volumesOf(pod).flatMap(({ secret, projected, csi, cephfs, flexVolume, rbd, iscsi, azureFile, scaleIO, storageos }) => [
    secret?.secretName,
    csi?.nodePublishSecretRef?.name,
    cephfs?.secretRef?.name,
    flexVolume?.secretRef?.name,
    rbd?.secretRef?.name,
    iscsi?.secretRef?.name,
    azureFile?.secretName,
    scaleIO?.secretRef?.name,
    storageos?.secretRef?.name,
    ...(projected?.sources ?? []).map(source => source.secret?.name),
  ])
  const environment = containersOf(pod).flatMap(({ env = [], envFrom = [] }) => [
    ...env.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name),
    ...envFrom.map(({ secretRef }) => secretRef?.name),
  ])
  const pull = (pod.spec?.imagePullSecrets ?? []).map(({ name }) => name)
  return new Set([...volumes, ...environment, ...pull].flatMap(name => name ?? []))
}

/** Secrets in the claim's own namespace that its volume is mounted with. */
function secretsOfVolume(objects: PolicyObjects, namespace: string, claimName: string): readonly string[] {
  const claim = objects.get<PersistentVolumeClaim>(persistentvolumeclaims, { namespace, name: claimName })
  const volume = claim?.spec?.volumeName ? objects.get(persistentvolumes, { name: claim.spec.volumeName }) : undefined
  const { csi } = volume?.spec ?? {}
  return [csi?.nodePublishSecretRef, csi?.nodeStageSecretRef, csi?.nodeExpandSecretRef].flatMap(ref =>
    ref?.name && (ref.namespace ?? namespace) === namespace ? [ref.name] : [],
  )
}
