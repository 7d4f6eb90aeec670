import { z } from 'zod'

/** The ways in which Pod packets can go from node to node. */
export const datapathKinds = ['vxlan', 'routed', 'bridge', 'mixed'] as const
/** What can enforce network policies; `none`: nothing does. */
export const policyModes = ['nftables', 'iptables', 'none'] as const
export type PolicyMode = (typeof policyModes)[number]

export type DatapathKind = (typeof datapathKinds)[number]

/** What bin/agent reads: one JSON file, named by `--config`. Written by whoever starts it (lab, a systemd unit). */
export const AgentConfig = z.strictObject({
  nodeName: z.string(),
  nodeAddress: z.ipv4(),
  nodeLabels: z.record(z.string(), z.string()),
  /** The interface of the underlay. */
  uplink: z.string(),
  kubeconfig: z.string(),
  clusterDns: z.ipv4(),
  clusterDomain: z.string(),
  podCidr: z.cidrv4(),
  /** The Pods' IPv6 range in a cluster with both families. */
  podCidr6: z.cidrv6().optional(),
  serviceCidr: z.cidrv4(),
  /** The Services' IPv6 range in a cluster with both families. */
  serviceCidr6: z.cidrv6().optional(),
  /** Largest packet of the underlay in bytes; Pods get it less the encapsulation. */
  underlayMtu: z.int(),
  /** This node's addresses on the underlay, one a family, IPv4 first, each with the router that leads beyond the segment. */
  underlay: z
    .array(z.strictObject({ address: z.union([z.ipv4(), z.ipv6()]), prefix: z.int(), gateway: z.union([z.ipv4(), z.ipv6()]).optional() }))
    .min(1),
  /** What goes from node to node unless ConfigMap kube-system/podwire-agent says otherwise. */
  datapath: z.strictObject({ kind: z.enum(datapathKinds), vni: z.int(), port: z.int() }),
  /** With whom BIRD exchanges the routes to nodes on other segments; absent where there is one segment. */
  bgp: z.strictObject({ localAs: z.int(), neighbourAs: z.int() }).optional(),
  proxy: z.strictObject({ mode: z.enum(['iptables', 'ipvs', 'nftables']), masqueradeAll: z.boolean() }),
  /** What enforces network policies unless that ConfigMap says otherwise. */
  netpol: z.enum(policyModes),
  containerd: z.strictObject({ socket: z.string(), sandboxImage: z.string() }),
  /** The cgroup below which all Pods of this node live, as `/podwire/shop/node-1`. */
  cgroupParent: z.string(),
  /** Where the API server reaches this node's logs and containers: with a certificate of `client`, signed by the authority of `caFile`. */
  serving: z.strictObject({ port: z.int(), caFile: z.string(), certFile: z.string(), keyFile: z.string(), client: z.string() }),
  cni: z.strictObject({
    confDir: z.string(),
    binDir: z.string(),
    /** Where the plugins of containernetworking-plugins are that ours is chained with; those that are missing are left out. */
    chainedDir: z.string(),
    socket: z.string(),
    stateDir: z.string(),
  }),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']),
})
export type AgentConfig = z.infer<typeof AgentConfig>

/** The paths of a node, the same on a namespace host and in a VM. */
export const nodePaths = {
  containerdSocket: '/run/containerd/containerd.sock',
  cniConfDir: '/etc/cni/net.d',
  cniBinDir: '/opt/cni/bin',
  /** Where Debian puts the plugins of others. */
  cniChainedDir: '/usr/lib/cni',
  cniSocket: '/run/podwire/cni.sock',
  cniStateDir: '/var/lib/cni/podwire',
  agentConfig: '/etc/podwire/agent.json',
  birdConfig: '/etc/podwire/bird.conf',
  birdSocket: '/run/podwire/bird.ctl',
  agentLog: '/var/log/podwire/agent.log',
  containerdLog: '/var/log/podwire/containerd.log',
} as const
