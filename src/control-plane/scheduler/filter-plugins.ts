import type { Pod } from '../../api/generated/types.js'
import { untolerated } from '../../api/tolerations.js'
import { isSelectedNode } from './node-selection.js'
import type { FilterPlugin } from './plugin.js'
import { interPodAffinity } from './pod-affinity.js'
import { podRequests } from './pod-requests.js'
import { topologySpread } from './topology-spread.js'

const nodeUnschedulable: FilterPlugin = {
  name: 'NodeUnschedulable',
  prepare({ spec }) {
    const taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }
    const isTolerated = untolerated([taint], spec?.tolerations, ['NoSchedule']) === undefined
    return ({ node }) => (node.spec?.unschedulable === true && !isTolerated ? 'node(s) were unschedulable' : undefined)
  },
}

/** Ours: upstream leaves this to taints, which come a moment after the node. */
const nodeReady: FilterPlugin = {
  name: 'NodeReady',
  prepare({ spec }) {
    const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }
    const isTolerated = untolerated([taint], spec?.tolerations, ['NoSchedule']) === undefined
    return ({ node }) => {
      const isReady = node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
      return isReady || isTolerated ? undefined : 'node(s) were not ready'
    }
  },
}

const taintToleration: FilterPlugin = {
  name: 'TaintToleration',
  prepare:
    ({ spec }) =>
    ({ node }) => {
      const taint = untolerated(node.spec?.taints, spec?.tolerations, ['NoSchedule', 'NoExecute'])
      return taint && `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`
    },
}

const nodeAffinity: FilterPlugin = {
  name: 'NodeAffinity',
  prepare: pod => node => (isSelectedNode(pod, node) ? undefined : "node(s) didn't match Pod's node affinity/selector"),
}

const nodeResourcesFit: FilterPlugin = {
  name: 'NodeResourcesFit',
  prepare(pod) {
    const requests = Object.entries(podRequests(pod).exact).filter(([, amount]) => amount > 0)
    return ({ allocatable, requested, pods }) => {
      if (allocatable.pods !== undefined && pods.length + 1 > allocatable.pods) return 'Too many pods'
      const short = requests.find(([name, amount]) => (requested[name] ?? 0) + amount > (allocatable[name] ?? 0))
      return short && `Insufficient ${short[0]}`
    }
  },
}

interface HostPort {
  readonly ip: string
  readonly protocol: string
  readonly port: number
}

const hostPortsOf = ({ spec }: Pod): readonly HostPort[] =>
  (spec?.containers ?? []).flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort = 0, hostIP = '', protocol = 'TCP' }) =>
      hostPort > 0 ? [{ ip: hostIP || '0.0.0.0', protocol, port: hostPort }] : [],
    ),
  )

const nodePorts: FilterPlugin = {
  name: 'NodePorts',
  prepare(pod) {
    const wanted = hostPortsOf(pod)
    const collide = (a: HostPort, b: HostPort) =>
      a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0')
    return ({ pods }) => {
      if (wanted.length === 0) return undefined
      const isTaken = pods.flatMap(hostPortsOf).some(used => wanted.some(port => collide(port, used)))
      return isTaken ? "node(s) didn't have free ports for the requested pod ports" : undefined
    }
  },
}

/** Cheap ones first: a node is asked until one refuses it. */
export const filterPlugins: readonly FilterPlugin[] = [
  nodeUnschedulable,
  nodeReady,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeResourcesFit,
  topologySpread,
  interPodAffinity,
]
