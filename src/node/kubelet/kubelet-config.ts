/** What the kubelet of one node must know. */
export interface KubeletConfig {
  readonly nodeName: string
  /** The node's address on the underlay. */
  readonly nodeAddress: string
  /** Its addresses of further families. */
  readonly furtherAddresses?: readonly string[]
  readonly nodeLabels: Readonly<Record<string, string>>
  readonly clusterDns: string
  readonly clusterDomain: string
  /** The cgroup below which all Pods of this node live, as `/podwire/shop/node-1`. */
  readonly cgroupParent: string
  /** Volumes and what else belongs to Pods: `/var/lib/kubelet`. */
  readonly rootDir: string
  /** Container logs: `/var/log/pods`. */
  readonly podLogsDir: string
  /** A resolv.conf that Pods with dnsPolicy Default inherit; undefined: they get no name server. */
  readonly resolvConf: string | undefined
}

/** Where a Pod's own files are. */
export const podDir = (config: KubeletConfig, uid: string): string => `${config.rootDir}/pods/${uid}`

/** Where the runtime writes the logs of a Pod's containers, as crictl and log shippers expect it. */
export const podLogDir = (config: KubeletConfig, pod: { namespace: string; name: string; uid: string }): string =>
  `${config.podLogsDir}/${pod.namespace}_${pod.name}_${pod.uid}`

export const podCgroup = (config: KubeletConfig, uid: string): string => `${config.cgroupParent}/pod${uid}`
