import { stringify } from 'yaml'

import type { Credentials } from './pki.js'

export interface KubeconfigFacts {
  /** Name of the cluster and of the context. */
  readonly name: string
  readonly user: string
  /** `https://HOST:PORT`. */
  readonly server: string
  readonly ca: string
  readonly credentials: Credentials
}

/** A kubeconfig with one cluster, user and context; certificates stand in it, so that the file can be moved. */
export function kubeconfigText({ name, user, server, ca, credentials }: KubeconfigFacts): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(ca) } }],
      users: [{ name: user, user: { 'client-certificate-data': base64(credentials.cert), 'client-key-data': base64(credentials.key) } }],
      contexts: [{ name, context: { cluster: name, user } }],
      'current-context': name,
    },
    { lineWidth: 0 },
  )
}
