import { serviceaccounts } from '../../api/generated/resources.js'
import type { AuthenticationTokenRequest, Pod } from '../../api/generated/types.js'
import type { Clock } from '../../base/time/clock.js'
import type { Client } from '../../client/client.js'

export interface TokenOptions {
  readonly audience: string | undefined
  /** At least 600; an hour when absent. */
  readonly expirationSeconds: number | undefined
}

/** Tokens by which Pods speak to the API server, each bound to its Pod and asked for anew before it expires. */
export interface ServiceAccountTokens {
  token(pod: Pod, options: TokenOptions, signal: AbortSignal): Promise<string>
  release(podUid: string): void
}

/** A token is replaced when this part of its life is over. */
const renewAfter = 0.8
const defaultExpirationSeconds = 3600

export function createServiceAccountTokens({ client, clock }: { readonly client: Client; readonly clock: Clock }): ServiceAccountTokens {
  const known = new Map<string, { readonly podUid: string; readonly token: string; readonly renewAtMs: number }>()
  return {
    async token(pod, { audience, expirationSeconds = defaultExpirationSeconds }, signal) {
      const { name = '', namespace, uid = '' } = pod.metadata ?? {}
      const key = JSON.stringify([uid, audience, expirationSeconds])
      const before = known.get(key)
      if (before && before.renewAtMs > clock.now()) return before.token
      const request: AuthenticationTokenRequest = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {
          audiences: audience === undefined ? [] : [audience],
          expirationSeconds,
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
        },
      }
      const account = { namespace, name: pod.spec?.serviceAccountName ?? 'default' }
      const answer = await client.createSub<AuthenticationTokenRequest>(serviceaccounts, account, 'token', request, signal)
      const token = answer.status?.token ?? ''
      known.set(key, { podUid: uid, token, renewAtMs: clock.now() + renewAfter * expirationSeconds * 1000 })
      return token
    },
    release(podUid) {
      for (const [key, entry] of known) if (entry.podUid === podUid) known.delete(key)
    },
  }
}
