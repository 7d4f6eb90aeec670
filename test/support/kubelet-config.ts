import type { KubeletConfig } from '../../src/node/kubelet/kubelet-config.js'

/** A node's configuration for tests that touch no machine; `rootDir` must be replaced before anything is written. */
export const kubeletConfig: KubeletConfig = {
  nodeName: 'node-1',
  nodeAddress: '172.30.0.11',
  nodeLabels: { 'topology.kubernetes.io/zone': 'a' },
  clusterDns: '10.96.0.10',
  clusterDomain: 'cluster.local',
  cgroupParent: '/podwire/test/node-1',
  rootDir: '/nonexistent/kubelet',
  podLogsDir: '/nonexistent/pods',
  resolvConf: undefined,
}
