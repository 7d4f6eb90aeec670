import { writeFileSync } from 'node:fs'

import { type AgentConfig, nodePaths } from '../base/config/agent-config.js'
import { cidrParts } from '../base/net/address.js'
import { builtProgram } from '../kernel/built-program.js'
import type { StartedProcess } from '../kernel/host.js'
import { clusterDomain, dnsAddress, kubeletPort } from './cluster-addresses.js'
import { gatewaysOf, planHosts, podRanges, serviceRanges } from './host-plan.js'
import { imageNames } from './images/image-plan.js'
import { agentKubeconfig, nodeServingFiles } from './lab-credentials.js'
import { labPaths } from './lab-paths.js'
import type { LabSpec } from './lab-spec.js'
import { labCgroup } from './netns-substrate.js'
import { serverIdentity } from './pki.js'
import { autonomousSystems } from './router-process.js'
import type { LabHost } from './substrate.js'

/** What the agent of a node is told. */
export function agentConfig(spec: LabSpec, { host, address, uplink }: LabHost): AgentConfig {
  const { segment, addresses } = planHosts(spec).find(({ name }) => name === host.name)!.interfaces[0]
  const [, pods6] = podRanges(spec)
  const [, services6] = serviceRanges(spec)
  const systems = autonomousSystems(spec)
  return {
    nodeName: host.name,
    nodeAddress: address,
    nodeLabels: spec.nodes.find(({ name }) => name === host.name)?.labels ?? {},
    uplink,
    kubeconfig: agentKubeconfig,
    clusterDns: dnsAddress(spec),
    clusterDomain,
    podCidr: spec.pods.cidr,
    ...(pods6 && { podCidr6: pods6.cidr }),
    serviceCidr: spec.services.cidr,
    ...(services6 && { serviceCidr6: services6 }),
    underlayMtu: segment.mtu,
    underlay: gatewaysOf(segment).map((gateway, i) => ({ address: addresses[i]!, prefix: cidrParts(segment.subnets[i]!).prefix, gateway })),
    datapath: { kind: spec.datapath, vni: 1, port: 4789 },
    ...(systems && { bgp: { localAs: systems.ofSegment(segment.name), neighbourAs: systems.router } }),
    proxy: { mode: spec.proxy, masqueradeAll: false },
    netpol: spec.netpol,
    containerd: { socket: nodePaths.containerdSocket, sandboxImage: imageNames.pause },
    cgroupParent: `${labCgroup(spec.name)}/${host.name}`,
    serving: {
      port: kubeletPort,
      caFile: nodeServingFiles.ca,
      certFile: nodeServingFiles.cert,
      keyFile: nodeServingFiles.key,
      client: serverIdentity.user,
    },
    cni: {
      confDir: nodePaths.cniConfDir,
      binDir: nodePaths.cniBinDir,
      chainedDir: nodePaths.cniChainedDir,
      socket: nodePaths.cniSocket,
      stateDir: nodePaths.cniStateDir,
    },
    logLevel: 'info',
  }
}

/** Starts the agent of a node; it outlives this process. */
export function startAgentProcess(spec: LabSpec, node: LabHost): StartedProcess {
  const config = JSON.stringify(agentConfig(spec, node), undefined, 2)
  writeFileSync(labPaths(spec.name).onHost(node.host.name, nodePaths.agentConfig), config)
  const argv = [process.execPath, builtProgram('agent.js'), '--config', nodePaths.agentConfig]
  return node.host.start(argv, { logFile: nodePaths.agentLog, detached: true })
}
