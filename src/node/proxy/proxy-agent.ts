import { readFileSync } from 'node:fs'

import { PodwireError } from '../../base/errors/podwire-error.js'
import { type KubeProxyConfiguration, parseKubeProxyConfiguration } from './kube-proxy-configuration.js'
import { cleanUpServices } from './proxy-switch.js'
import { runServiceProxy, type ServiceProxyParts } from './run-service-proxy.js'

/** What the command line says; it counts more than the configuration file. */
export interface ProxyAgentOptions {
  /** A KubeProxyConfiguration; kube-proxy's defaults without it. */
  readonly configFile?: string
  readonly kubeconfig?: string
  readonly hostnameOverride?: string
  readonly mode?: string
  /** One range, or one of each family with a comma between. */
  readonly clusterCidr?: string
  /** Only take away what any mode has left in this network namespace. */
  readonly cleanup: boolean
}

export interface ProxyAgentParts extends Pick<ServiceProxyParts, 'clock' | 'log'> {
  /** Every mode in both families, as a configuration wants them; as they are by default without one. */
  readonly membersFor: (configuration?: KubeProxyConfiguration) => ServiceProxyParts['members']
  readonly hostname: () => string
  readonly connect: (kubeconfig: string) => ServiceProxyParts['client']
}

/** Runs a service proxy until `signal` aborts, or cleans up and returns. Errors: CONFIG_INVALID with the place, PORT_IN_USE. */
export async function runProxyAgent(options: ProxyAgentOptions, parts: ProxyAgentParts, signal: AbortSignal): Promise<void> {
  const { membersFor, clock, log, hostname, connect } = parts
  if (options.cleanup) return cleanUpServices(membersFor(), signal)
  const configuration = effectiveConfiguration(options)
  const client = connect(configuration.clientConnection.kubeconfig)
  const nodeName = (configuration.hostnameOverride || hostname()).toLowerCase()
  try {
    await (await runServiceProxy(configuration, { client, nodeName, members: membersFor(configuration), clock, log }, signal)).stopped
  } finally {
    client.close()
  }
}

/** The file, with what the command line says written over it and checked as the file is. */
export function effectiveConfiguration(options: Omit<ProxyAgentOptions, 'cleanup'>): KubeProxyConfiguration {
  const { configFile, kubeconfig, hostnameOverride, mode, clusterCidr } = options
  const empty = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'
  const read = parseKubeProxyConfiguration(configFile === undefined ? empty : textOf(configFile), configFile ?? 'the command line')
  // Checked by the same schema: an option is the same field on another line.
  const given = [
    ...(mode === undefined ? [] : [`mode: ${JSON.stringify(mode)}`]),
    ...(clusterCidr === undefined ? [] : [`clusterCIDR: ${JSON.stringify(clusterCidr)}`]),
    ...(hostnameOverride === undefined ? [] : [`hostnameOverride: ${JSON.stringify(hostnameOverride)}`]),
  ]
  const checked = parseKubeProxyConfiguration(`${empty}${given.join('\n')}\n`, 'the command line')
  const configuration = {
    ...read,
    ...(mode === undefined ? {} : { mode: checked.mode }),
    ...(clusterCidr === undefined ? {} : { clusterCIDR: checked.clusterCIDR }),
    ...(hostnameOverride === undefined ? {} : { hostnameOverride: checked.hostnameOverride }),
    clientConnection: { ...read.clientConnection, kubeconfig: kubeconfig ?? read.clientConnection.kubeconfig },
  }
  if (configuration.clientConnection.kubeconfig !== '') return configuration
  throw new PodwireError('CONFIG_INVALID', 'the service proxy is not told which cluster it is for', {
    hint: 'Give --kubeconfig FILE, or clientConnection.kubeconfig in the configuration file.',
  })
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new PodwireError('CONFIG_INVALID', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
