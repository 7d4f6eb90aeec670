import type { Pod, Volume } from '../../api/generated/types.js'

export const apiAccessPath = '/var/run/secrets/kubernetes.io/serviceaccount'
const volumeName = 'kube-api-access'
const tokenSeconds = 3607

/**
 * The Pod with the token, the CA and the namespace mounted into every container, unless it says it wants none or has them already.
 * Upstream's API server writes the same into the Pod at admission; Pods that come so are left as they are.
 */
export function withApiAccess(pod: Pod): Pod {
  const { spec } = pod
  if (!spec || spec.automountServiceAccountToken === false) return pod
  const mount = { name: volumeName, mountPath: apiAccessPath, readOnly: true }
  const mounted = <C extends Pick<NonNullable<Pod['spec']>['containers'][number], 'volumeMounts'>>(container: C): C =>
    container.volumeMounts?.some(({ mountPath }) => mountPath === apiAccessPath)
      ? container
      : { ...container, volumeMounts: [...(container.volumeMounts ?? []), mount] }
  const containers = spec.containers.map(mounted)
  const initContainers = spec.initContainers?.map(mounted)
  const needs = [...containers, ...(initContainers ?? [])].some(({ volumeMounts }) => volumeMounts?.includes(mount))
  if (!needs) return pod
  return {
    ...pod,
    spec: { ...spec, containers, ...(initContainers ? { initContainers } : {}), volumes: [...(spec.volumes ?? []), volume] },
  }
}

const volume: Volume = {
  name: volumeName,
  projected: {
    sources: [
      { serviceAccountToken: { path: 'token', expirationSeconds: tokenSeconds } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
    ],
  },
}
