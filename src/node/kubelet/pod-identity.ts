import type { Pod } from '../../api/generated/types.js'
import type { KubeletConfig } from './kubelet-config.js'
import type { PodIdentity } from './pod-runtime.js'

export const identityOf = (pod: Pod): PodIdentity => ({
  uid: pod.metadata?.uid ?? '',
  namespace: pod.metadata?.namespace ?? '',
  name: pod.metadata?.name ?? '',
})

export const keyOf = ({ namespace, name }: PodIdentity): string => `${namespace}/${name}`

export const isHostNetwork = (pod: Pod): boolean => pod.spec?.hostNetwork === true

/** The name a Pod's containers see; names longer than a DNS label are cut (RFC 1035, 2.3.4). */
export function hostnameOf(pod: Pod): string {
  const name = pod.spec?.hostname ?? pod.metadata?.name ?? ''
  return name.slice(0, 63).replace(/[-.]+$/, '')
}

/** The Pod's full name when it has a subdomain, as its headless Service publishes it. */
export function fqdnOf(pod: Pod, config: Pick<KubeletConfig, 'clusterDomain'>): string | undefined {
  const { subdomain } = pod.spec ?? {}
  return subdomain ? `${hostnameOf(pod)}.${subdomain}.${pod.metadata?.namespace}.svc.${config.clusterDomain}` : undefined
}
