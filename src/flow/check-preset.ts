import { nodeOfBound } from './bind.js'
import type { Preset } from './flow-test-schema.js'
import type { PredictedFlow } from './predict.js'

/** Why an exchange is not of the shape that the preset names; undefined when it is. */
export function checkPreset(preset: Preset, { client, server, service, door, protocol }: PredictedFlow): string | undefined {
  const isSameNode = server !== undefined && nodeOfBound(client) === server.node
  const isSamePod = server?.key === client.key
  const facts: Record<Preset, readonly (readonly [holds: boolean, text: string])[]> = {
    'same-pod': [
      [isSamePod, 'client and server must be the same Pod'],
      [service === undefined, 'it must not go through a Service'],
    ],
    'pod-same-node': [
      [isSameNode && !isSamePod, 'client and server must be two Pods of one node'],
      [service === undefined, 'it must not go through a Service'],
    ],
    'pod-cross-node': [
      [server !== undefined && client.kind === 'pod' && !isSameNode, 'client and server must be Pods of two nodes'],
      [service === undefined, 'it must not go through a Service'],
    ],
    'pod-to-pod': [
      [server !== undefined && client.kind === 'pod' && service === undefined, 'it must go from Pod to Pod without a Service'],
    ],
    clusterip: [
      [service !== undefined && door === undefined, 'it must go to the ClusterIP of a Service'],
      [!isSamePod, 'the Pod itself took the connection; that is the preset hairpin'],
    ],
    service: [[service !== undefined && door === undefined, 'it must go to the ClusterIP of a Service']],
    hairpin: [[service !== undefined && isSamePod, 'the Pod itself must take the connection to its Service']],
    nodeport: [[door !== undefined && service !== undefined, 'it must go to the node port of a bound Service']],
    dns: [[protocol === 'udp' || service === undefined, 'it must ask a name server']],
    rejected: [[service !== undefined && service.endpoints.length === 0, 'it must go to a Service without endpoints']],
  }
  return facts[preset].find(([holds]) => !holds)?.[1]
}
