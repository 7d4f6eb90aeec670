import type { Workload } from '../workload.js'
import { callCases } from './cni-calls.js'
import { trafficCases } from './cni-traffic.js'

/** What the Pod network costs: its calls, and the packets. */
export const cniWorkload: Workload = {
  name: 'cni',
  summary: "calls of the CNI plugin beside Debian's, and Pod traffic over every datapath beside the same made by hand with ip",
  cases: ({ scale }) => [...callCases(scale), ...trafficCases(scale)],
}
