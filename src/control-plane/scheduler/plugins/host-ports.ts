import type { ContainerPort, Pod } from '../../../api/generated/types.js'
import type { SchedulerPlugin } from '../scheduler-plugin.js'

const anyAddress = (ip: string | undefined): boolean => !ip || ip === '0.0.0.0' || ip === '::'

const hostPortsOf = ({ spec }: Pod): readonly ContainerPort[] =>
  (spec?.containers ?? []).flatMap(({ ports = [] }) => ports.filter(({ hostPort }) => hostPort))

const collide = (a: ContainerPort, b: ContainerPort): boolean =>
  a.hostPort === b.hostPort &&
  (a.protocol ?? 'TCP') === (b.protocol ?? 'TCP') &&
  (anyAddress(a.hostIP) || anyAddress(b.hostIP) || a.hostIP === b.hostIP)

/** Two Pods cannot have one port of a host. */
export const hostPorts: SchedulerPlugin = {
  name: 'HostPorts',
  filter(pod, { pods }) {
    const own = hostPortsOf(pod)
    if (own.length === 0) return undefined
    const isTaken = pods.flatMap(hostPortsOf).some(taken => own.some(port => collide(port, taken)))
    return isTaken ? "node(s) didn't have free ports for the requested pod ports" : undefined
  },
}
