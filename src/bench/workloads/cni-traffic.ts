import { z } from 'zod'

import { builtProgram } from '../../kernel/built-program.js'
import { localMachine } from '../../kernel/local-machine.js'
import { directPods, handMadeNodes, type PodNodes, type PodWay, podwireNodes, routedPods } from '../pod-nodes.js'
import { onOneCpu } from '../service-nodes.js'
import { untilItListens } from '../until-it-listens.js'
import { type Arm, type BenchCase, type PreparedCase, type Scale, timed } from '../workload.js'

const byHand = 'by hand'

/** How much is sent for one sample of the throughput, and how long connections are counted. */
const amounts: Readonly<Record<Scale, { readonly bytes: string; readonly ms: number; readonly rounds: number }>> = {
  quick: { bytes: '500M', ms: 300, rounds: 5 },
  default: { bytes: '2G', ms: 1000, rounds: 20 },
  full: { bytes: '4G', ms: 2000, rounds: 40 },
}

/** What moves a Pod's packets, beside the same devices made by hand, and beside two Pods with nothing between them. */
export function trafficCases(scale: Scale): readonly BenchCase[] {
  const direct = { direct: directPods }
  const sameNode: Makers = {
    [byHand]: signal => handMadeNodes('bridge', signal),
    podwire: signal => podwireNodes('bridge', signal),
    'podwire, without a bridge': routedPods,
    ...direct,
  }
  const otherNode = (way: PodWay): Makers => ({
    [byHand]: signal => handMadeNodes(way, signal),
    podwire: signal => podwireNodes(way, signal),
    ...direct,
  })
  return [
    trafficCase('same node', { scale, to: 'near', makers: sameNode }),
    trafficCase('other node, vxlan', { scale, to: 'far', makers: otherNode('vxlan') }),
    trafficCase('other node, routed', { scale, to: 'far', makers: otherNode('routed') }),
    trafficCase('other node, bridge', { scale, to: 'far', makers: otherNode('bridge') }),
  ]
}

type Makers = Readonly<Record<string, (signal: AbortSignal) => Promise<PodNodes>>>

interface TrafficCase {
  readonly scale: Scale
  readonly to: 'near' | 'far'
  readonly makers: Makers
}

function trafficCase(name: string, { scale, to, makers }: TrafficCase): BenchCase {
  return {
    name,
    metrics: [timed('throughput', 'Gbit/s', 'higher'), timed('connections', '1/s', 'higher')],
    baseline: byHand,
    rounds: amounts[scale].rounds,
    async prepare(_context, signal): Promise<PreparedCase> {
      const closers: (() => void | Promise<void>)[] = []
      const close = async (): Promise<void> => {
        for (const each of closers.reverse()) await each()
      }
      try {
        const arms: Arm[] = []
        for (const [arm, make] of Object.entries(makers)) {
          const nodes = await make(signal)
          closers.push(nodes.close)
          closers.push(await serve(nodes, to, signal))
          arms.push({ name: arm, measure: each => measure(nodes, { to, scale }, each) })
        }
        return { arms, close }
      } catch (error) {
        await close()
        throw error
      }
    },
  }
}

const ports = { throughput: '5201', connections: '5202' }

/** Starts both servers in the Pod that is asked, and waits until they listen. */
async function serve(nodes: PodNodes, to: 'near' | 'far', signal: AbortSignal): Promise<() => Promise<void>> {
  const { netns, address } = nodes[to]
  const host = localMachine.enter(netns.path)
  const servers = [
    host.start([...onOneCpu, 'iperf3', '--server', '--forceflush', '--port', ports.throughput]),
    host.start([...onOneCpu, builtProgram('bench-tool'), 'serve', address, ports.connections]),
  ]
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map(server => server.stop()))
  }
  try {
    await Promise.all(servers.map(server => untilItListens(server, signal)))
  } catch (error) {
    await stop()
    throw error
  }
  return stop
}

const Throughput = z.object({ end: z.object({ sum_received: z.object({ bits_per_second: z.number() }) }) })

async function measure(
  nodes: PodNodes,
  { to, scale }: Pick<TrafficCase, 'to' | 'scale'>,
  signal: AbortSignal,
): Promise<Readonly<Record<string, number>>> {
  const client = localMachine.enter(nodes.client.netns.path)
  const { address } = nodes[to]
  const { bytes, ms } = amounts[scale]
  // The kernel's own choice may be BBR without pacing, which measures the timer.
  const flood = [
    ...onOneCpu,
    'iperf3',
    '--client',
    address,
    '--port',
    ports.throughput,
    '--bytes',
    bytes,
    '--congestion',
    'cubic',
    '--json',
  ]
  const sent = Throughput.parse(JSON.parse((await client.run(flood, { signal })).stdout))
  const asked = await client.run([...onOneCpu, builtProgram('bench-tool'), 'ask', address, ports.connections, String(ms)], { signal })
  return { throughput: sent.end.sum_received.bits_per_second / 1e9, connections: (Number(asked.stdout) * 1000) / ms }
}
