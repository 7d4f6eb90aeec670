import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { Ip } from '../../base/net/address.js'
import { builtProgram } from '../../kernel/built-program.js'
import { buildServiceState } from '../../service-model/build-service-state.js'
import { missingModes, proxyModes } from '../proxy-modes.js'
import { createServiceNodes, onOneCpu, type ServiceNode } from '../service-nodes.js'
import { benchNode, type Position, positions, serverAddresses, serverPort, serviceObjects, servicePort } from '../service-objects.js'
import { type Arm, type BenchCase, type Scale, timed } from '../workload.js'

/** The floor: the same way, without a Service. */
const direct = 'direct'

const sizes: Readonly<Record<Scale, readonly number[]>> = {
  quick: [10, 1_000],
  default: [1, 10, 100, 1_000, 5_000],
  full: [1, 10, 100, 1_000, 5_000, 10_000, 30_000],
}

/** How often each thing is done for one sample. */
const amounts: Readonly<Record<Scale, { readonly flows: number; readonly ms: number }>> = {
  quick: { flows: 200, ms: 200 },
  default: { flows: 1_000, ms: 500 },
  full: { flows: 5_000, ms: 1_000 },
}

const metrics = {
  first: (position: Position) => `first packet, ${position} Service`,
  p99: 'first packet p99, last Service',
  connection: 'connection',
  connections: 'connections',
  trip: 'round trip',
} as const

/** What a packet to a ClusterIP costs on the client's node, by mode and number of Services. */
export const packetCases = (scale: Scale): readonly BenchCase[] => sizes[scale].map(count => packetCase(count, scale))

function packetCase(count: number, scale: Scale): BenchCase {
  return {
    name: `packets, ${count} Services`,
    part: 'packets',
    parameters: { services: count },
    metrics: [
      ...positions.map(position => timed(metrics.first(position), 'µs')),
      timed(metrics.p99, 'µs'),
      timed(metrics.connection, 'µs'),
      timed(metrics.connections, '1/s', 'higher'),
      timed(metrics.trip, 'µs'),
    ],
    baseline: direct,
    async prepare({ say }, signal) {
      const objects = serviceObjects(count)
      const state = buildServiceState({ ...objects, node: benchNode })
      const nodes = await createServiceNodes(signal)
      try {
        const server = serverAddresses[0]
        const bare = await nodes.add(signal)
        const arms: Arm[] = [
          {
            name: direct,
            measure: each => measure(bare, { targets: { first: server, middle: server, last: server }, port: serverPort, scale }, each),
          },
        ]
        const missing: { readonly arm: string; readonly why: string }[] = []
        for (const [mode, rulesIn] of Object.entries(proxyModes)) {
          say(`programming ${mode}`)
          const node = await nodes.add(signal)
          try {
            await rulesIn(node.node.run).sync(state, signal)
          } catch (error) {
            if (!isPodwireError(error, 'KERNEL_REFUSED') && !isPodwireError(error, 'COMMAND_MISSING')) throw error
            missing.push({ arm: mode, why: error.message })
            continue
          }
          arms.push({ name: mode, measure: each => measure(node, { targets: objects.asked, port: servicePort, scale }, each) })
        }
        return { arms, missing: [...missing, ...missingModes], close: nodes.close }
      } catch (error) {
        await nodes.close()
        throw error
      }
    },
  }
}

interface Asked {
  readonly targets: Readonly<Record<Position, Ip>>
  readonly port: number
  readonly scale: Scale
}

/** Median and 99th percentile in microseconds, or a count. */
async function measure(
  { client, forgetFlows }: ServiceNode,
  { targets, port, scale }: Asked,
  signal: AbortSignal,
): Promise<Readonly<Record<string, number>>> {
  const { flows, ms } = amounts[scale]
  const tool = async (verb: string, target: Ip, amount: number): Promise<readonly number[]> => {
    forgetFlows()
    const { stdout } = await client.run([...onOneCpu, builtProgram('bench-tool'), verb, target, String(port), String(amount)], {
      signal,
    })
    return stdout.trim().split(' ').map(Number)
  }
  const microseconds = (values: readonly number[], i: 0 | 1): number => (values[i] ?? Number.NaN) / 1000
  const sample: Record<string, number> = {}
  for (const position of positions) {
    const trips = await tool('flows', targets[position], flows)
    sample[metrics.first(position)] = microseconds(trips, 0)
    if (position === 'last') sample[metrics.p99] = microseconds(trips, 1)
  }
  sample[metrics.connection] = microseconds(await tool('connect', targets.last, flows), 0)
  sample[metrics.connections] = ((await tool('ask', targets.last, ms))[0] ?? Number.NaN) * (1000 / ms)
  sample[metrics.trip] = microseconds(await tool('trips', targets.last, flows), 0)
  return sample
}
