import { Command, Option } from 'commander'

import { withInterrupt } from '../interrupt.js'
import { requireRoot } from '../lab-option.js'
import type { Parts } from '../parts.js'

interface AgentOptions {
  readonly only: 'proxy' | 'netpol'
  readonly kubeconfig?: string
  readonly config?: string
  readonly hostnameOverride?: string
  readonly proxyMode?: string
  readonly netpolMode?: 'nftables' | 'iptables'
  readonly clusterCidr?: string
  readonly cleanup?: true
}

/** `podwire agent --only PART`: a part of our agent as a node of somebody else's cluster runs it. */
export const agentCommand = (parts: Parts): Command =>
  new Command('agent')
    .description('run one part of the agent by itself, for any cluster: the service proxy of this node, or its network policies')
    .addOption(new Option('--only <part>', 'the part').choices(['proxy', 'netpol']).makeOptionMandatory())
    .option('--kubeconfig <file>', 'how to reach the cluster')
    .option('--config <file>', 'a KubeProxyConfiguration, as kube-proxy reads it')
    .option('--hostname-override <name>', "this node's name in the cluster, where it differs from the host name")
    .option('--proxy-mode <mode>', 'iptables, ipvs or nftables')
    .addOption(new Option('--netpol-mode <mode>', 'what enforces network policies').choices(['nftables', 'iptables']))
    .option('--cluster-cidr <range>', 'the range of Pods; traffic from elsewhere to a ClusterIP is masqueraded')
    .option('--cleanup', 'take away the rules that the part has left in this network namespace, and end')
    .action(async (options: AgentOptions) => {
      const { kubeconfig, config, hostnameOverride, proxyMode, netpolMode, clusterCidr, cleanup = false } = options
      requireRoot(parts, 'agent')
      if (options.only === 'netpol') {
        await withInterrupt(parts.terminal, 'podwire agent --only netpol --cleanup takes the rules away', async signal => {
          await parts.runPolicyAgent(
            {
              cleanup,
              ...(kubeconfig && { kubeconfig }),
              ...(hostnameOverride && { hostnameOverride }),
              ...(netpolMode && { mode: netpolMode }),
            },
            signal,
          )
        })
        return
      }
      await withInterrupt(parts.terminal, 'podwire agent --only proxy --cleanup takes the rules away', async signal => {
        await parts.runProxyAgent(
          {
            cleanup,
            ...(config === undefined ? {} : { configFile: config }),
            ...(kubeconfig === undefined ? {} : { kubeconfig }),
            ...(hostnameOverride === undefined ? {} : { hostnameOverride }),
            ...(proxyMode === undefined ? {} : { mode: proxyMode }),
            ...(clusterCidr === undefined ? {} : { clusterCidr }),
          },
          signal,
        )
      })
    })
