import { randomBytes } from 'node:crypto'

import { serviceaccounts } from '../../../api/generated/resources.js'
import type { Pod, ServiceAccount, Volume } from '../../../api/generated/types.js'
import type { Draft } from '../../../api/json.js'
import type { PolicyObjects } from '../authorization/policy-objects.js'
import { type AdmissionPlugin, type AdmissionRequest, isAbout, refused } from './admission-plugin.js'

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
const volumePrefix = 'kube-api-access-'
/** Upstream's lifetime of these tokens: an hour and a little, so that they can be told from tokens that somebody asked an hour for. */
const tokenSeconds = 3607
const mirrorAnnotation = 'kubernetes.io/config.mirror'
const alphabet = 'bcdfghjklmnpqrstvwxz2456789'

/**
 * Gives every Pod its ServiceAccount and the volume with its token. Waits a little for the account `default`, which a controller makes
 * just after its namespace.
 */
export function serviceAccountPlugin(objects: PolicyObjects, waitMs = 2_000): AdmissionPlugin {
  async function accountOf(request: AdmissionRequest, name: string): Promise<ServiceAccount> {
    const namespace = request.object.metadata.namespace ?? ''
    const found = await objects.awaited(serviceaccounts, { namespace, name }, name === 'default' ? waitMs : 0)
    if (!found)
      throw refused(request, `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`)
    return found
  }

  return {
    name: 'ServiceAccount',
    async mutate(request) {
      const pod = request.object as Draft<Pod>
      if (request.operation !== 'CREATE' || !isAbout(request, '', 'pods') || !pod.spec) return
      if (pod.metadata?.annotations?.[mirrorAnnotation] !== undefined) return
      const name = pod.spec.serviceAccountName || 'default'
      const account = await accountOf(request, name)
      pod.spec.serviceAccountName = name
      pod.spec.serviceAccount = name
      if (pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(pod.spec)
      if (!pod.spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
        pod.spec.imagePullSecrets = structuredClone(account.imagePullSecrets) as Draft<typeof account.imagePullSecrets>
      }
    },
    async validate(request) {
      const { spec, metadata } = request.object as Pod
      if (request.operation !== 'CREATE' || !isAbout(request, '', 'pods')) return undefined
      if (metadata?.annotations?.[mirrorAnnotation] === undefined) {
        await accountOf(request, spec?.serviceAccountName ?? '')
      } else if (spec?.serviceAccountName) {
        throw refused(request, 'a mirror pod may not reference service accounts')
      }
      return undefined
    },
  }
}

/** Mounts the token into every container that has not put something of its own there. */
function mountToken(spec: Draft<NonNullable<Pod['spec']>>): void {
  const present = spec.volumes?.find(({ name }) => name.startsWith(volumePrefix))?.name
  const name = present ?? `${volumePrefix}${[...randomBytes(5)].map(byte => alphabet[byte % alphabet.length]).join('')}`
  let isNeeded = false
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    if (container.volumeMounts?.some(mount => mount.mountPath === mountPath)) continue
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, mountPath, readOnly: true }]
    isNeeded = true
  }
  if (isNeeded && present === undefined) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)]
}

const tokenVolume = (name: string): Draft<Volume> => ({
  name,
  projected: {
    defaultMode: 0o644,
    sources: [
      { serviceAccountToken: { path: 'token', expirationSeconds: tokenSeconds } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
    ],
  },
})
