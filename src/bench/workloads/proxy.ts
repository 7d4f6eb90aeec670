import type { Workload } from '../workload.js'
import { packetCases } from './proxy-packets.js'
import { programmingCases } from './proxy-programming.js'

/** What Services cost, by mode and number: packets to ClusterIPs, and the kernel's programming. */
export const proxyWorkload: Workload = {
  name: 'proxy',
  summary:
    "Services by mode and number: first packets, connections and round trips beside no Service at all; full syncs and one change beside kube-proxy's shape",
  parts: { packets: 'only what packets pay', programming: 'only what the programming of the kernel takes' },
  cases: ({ scale }) => [...packetCases(scale), ...programmingCases(scale)],
}
