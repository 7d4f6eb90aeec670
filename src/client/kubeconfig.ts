import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { PodwireError } from '../base/errors/podwire-error.js'
import type { ClientConfig } from './client-config.js'

/** The parts of a kubeconfig that we read; others may put more into it. */
const Kubeconfig = z.object({
  'current-context': z.string().default(''),
  clusters: z
    .array(
      z.object({
        name: z.string(),
        cluster: z.object({
          server: z.url(),
          'certificate-authority': z.string().optional(),
          'certificate-authority-data': z.string().optional(),
          'tls-server-name': z.string().optional(),
          'insecure-skip-tls-verify': z.boolean().optional(),
        }),
      }),
    )
    .nullish(),
  contexts: z
    .array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string(), namespace: z.string().optional() }) }))
    .nullish(),
  users: z
    .array(
      z.object({
        name: z.string(),
        user: z
          .object({
            'client-certificate': z.string().optional(),
            'client-certificate-data': z.string().optional(),
            'client-key': z.string().optional(),
            'client-key-data': z.string().optional(),
            token: z.string().optional(),
            tokenFile: z.string().optional(),
          })
          .nullish(),
      }),
    )
    .nullish(),
})

/**
 * Reads a kubeconfig: the named context, else the current one. Files it names are relative to it.
 * Errors: NOT_FOUND without the file, CONFIG_INVALID with the place of the problem.
 */
export function loadKubeconfig(file: string, context?: string): ClientConfig {
  const invalid = (message: string) => new PodwireError('CONFIG_INVALID', `${file} is not a usable kubeconfig: ${message}`)
  const text = readText(file, 'kubeconfig')
  let value: unknown
  try {
    value = parse(text)
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error))
  }
  const parsed = Kubeconfig.safeParse(value)
  if (!parsed.success) throw invalid(`\n${z.prettifyError(parsed.error)}`)
  const config = parsed.data

  const contextName = context ?? config['current-context']
  const chosen = config.contexts?.find(({ name }) => name === contextName)?.context
  if (!chosen) throw invalid(contextName === '' ? 'it has no current-context' : `it has no context ${contextName}`)
  const cluster = config.clusters?.find(({ name }) => name === chosen.cluster)?.cluster
  if (!cluster) throw invalid(`context ${contextName} names the cluster ${chosen.cluster}, which it lacks`)
  const user = config.users?.find(({ name }) => name === chosen.user)?.user ?? {}

  const pem = (data: string | undefined, path: string | undefined): string | undefined => {
    if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8')
    return path === undefined ? undefined : readText(resolve(dirname(file), path), `file named by ${file}`)
  }
  return withoutUndefined({
    server: cluster.server.replace(/\/+$/, ''),
    ca: pem(cluster['certificate-authority-data'], cluster['certificate-authority']),
    cert: pem(user['client-certificate-data'], user['client-certificate']),
    key: pem(user['client-key-data'], user['client-key']),
    token: user.token,
    tokenFile: user.tokenFile === undefined ? undefined : resolve(dirname(file), user.tokenFile),
    tlsServerName: cluster['tls-server-name'],
    insecureSkipTlsVerify: cluster['insecure-skip-tls-verify'],
    namespace: chosen.namespace,
  })
}

/** What a ServiceAccount's Pod finds in its environment and under /var/run/secrets. Errors: NOT_FOUND outside a Pod. */
export function inClusterConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
  directory = '/var/run/secrets/kubernetes.io/serviceaccount',
): ClientConfig {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env
  if (!host || !port)
    throw new PodwireError('NOT_FOUND', 'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is not a Pod')
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: readText(`${directory}/ca.crt`, 'ServiceAccount CA'),
    tokenFile: `${directory}/token`,
    namespace: readText(`${directory}/namespace`, 'ServiceAccount namespace').trim(),
  }
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new PodwireError('NOT_FOUND', `The ${what} ${file} cannot be read: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

/** `exactOptionalPropertyTypes` tells an absent property from an undefined one; so do we. */
function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> }
}
