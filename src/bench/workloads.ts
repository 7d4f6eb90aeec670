import type { Workload } from './workload.js'
import { cniWorkload } from './workloads/cni.js'
import { flowWorkload } from './workloads/flow.js'
import { netpolWorkload } from './workloads/netpol.js'
import { proxyWorkload } from './workloads/proxy.js'

/** Every subject of `podwire bench`, in the order of its help. */
export const workloads: readonly Workload[] = [flowWorkload, cniWorkload, netpolWorkload, proxyWorkload]
