import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { PodwireError } from '../../base/errors/podwire-error.js'
import type { Client } from '../../client/client.js'
import type { FlowHost, FlowLab } from '../../flow/flow-lab.js'
import { flowOfSpec } from '../../flow/flow-of-spec.js'
import { runFlows } from '../../flow/run-flows.js'
import { builtProgram } from '../../kernel/built-program.js'
import { startCapture } from '../../kernel/capture.js'
import type { Host, StartedProcess } from '../../kernel/host.js'
import { localMachine } from '../../kernel/local-machine.js'
import { createNetns, type NetnsHandle } from '../../kernel/netns.js'
import { onOneCpu } from '../service-nodes.js'
import { untilItListens } from '../until-it-listens.js'
import { type Arm, type BenchCase, type PreparedCase, type Scale, timed } from '../workload.js'

const perTest = 'time per test'
const memory = 'memory'
const roundTrip = 'round trip'

/** How many tests a run has, beside a run of one. */
const manyTests: Readonly<Record<Scale, number>> = { quick: 20, default: 200, full: 200 }
const trips: Readonly<Record<Scale, number>> = { quick: 2_000, default: 10_000, full: 50_000 }
const ports = { tests: 9000, trips: 9001 }
const addresses = { client: '172.30.0.101', server: '172.30.0.11' }

/** What a flow test costs by itself and among others; each is one TCP connection between two hosts, sent without and with captures, and judged. */
export function flowTestsCase(scale: Scale): BenchCase {
  return {
    name: 'flow tests',
    metrics: [timed(perTest, 'ms'), timed(memory, 'MiB')],
    baseline: '1 test',
    rounds: scale === 'quick' ? 3 : 5,
    prepare: (_context, signal) =>
      withTwoHosts('serve', signal, async ({ lab }) => {
        const dir = await mkdtemp(join(tmpdir(), 'podwire-bench-'))
        const arm = (count: number): Arm => ({
          name: count === 1 ? '1 test' : `${count} tests`,
          measure: each => measureRun(lab, { count, dir }, each),
        })
        return { arms: [arm(1), arm(manyTests[scale])], close: () => rm(dir, { recursive: true, force: true }) }
      }),
  }
}

async function measureRun(
  lab: FlowLab,
  { count, dir }: { readonly count: number; readonly dir: string },
  signal: AbortSignal,
): Promise<Readonly<Record<string, number>>> {
  const batches = Array.from({ length: count }, (_, i) => [
    flowOfSpec(
      {
        bind: { client: { external: 'client' }, server: { node: 'server' } },
        send: { from: '$client', to: '$server', tcp: { port: ports.tests } },
        expect: {
          outcome: 'delivered',
          path: [
            { at: 'client:uplink', dir: 'out' },
            { at: 'server:uplink', dir: 'in' },
          ],
          strict: true,
        },
      },
      { name: `bench-${i}`, madeBy: 'bench' },
    ),
  ])
  const before = process.memoryUsage().rss
  const start = performance.now()
  const { flows } = await runFlows({ ...lab, batches, outDir: dir, settleMs: 0 }, signal)
  const elapsed = performance.now() - start
  const wrong = flows.find(({ verdict }) => verdict !== 'pass')
  if (wrong !== undefined) throw new Error(`${wrong.name}: ${wrong.reason}`)
  return { [perTest]: elapsed / count, [memory]: Math.max(0, process.memoryUsage().rss - before) / 2 ** 20 }
}

/** What being watched costs the traffic: datagrams there and back, with and without a capture on both hosts. */
export function watchedTrafficCase(scale: Scale): BenchCase {
  return {
    name: 'watched traffic',
    metrics: [timed(roundTrip, 'µs')],
    baseline: 'not watched',
    prepare: (_context, signal) =>
      withTwoHosts('echo', signal, async ({ client, server }) => {
        const measure = async (each: AbortSignal): Promise<Readonly<Record<string, number>>> => {
          const argv = [...onOneCpu, builtProgram('bench-tool'), 'trips', addresses.server, String(ports.trips), String(trips[scale])]
          const { stdout } = await client.run(argv, { signal: each })
          return { [roundTrip]: Number(stdout.trim().split(/\s+/)[0]) / 1000 }
        }
        const watched: Arm = {
          name: 'watched',
          async measure(each) {
            let frames = 0
            const options = { filter: `udp port ${ports.trips}`, onFrame: () => void frames++ }
            const captures = await Promise.all([client, server].map(host => startCapture(host, options, each)))
            let sample: Readonly<Record<string, number>>
            try {
              sample = await measure(each)
            } finally {
              await Promise.all(captures.map(capture => capture.stop()))
            }
            if (frames === 0) throw new Error('the captures saw nothing')
            return sample
          },
        }
        return { arms: [{ name: 'not watched', measure }, watched], close: async () => {} }
      }),
  }
}

interface TwoHosts {
  readonly client: Host
  readonly server: Host
  readonly lab: FlowLab
}

/** Two hosts on one cable, and a server on one of them. What fails halfway takes away what it made. */
async function withTwoHosts(
  verb: 'serve' | 'echo',
  signal: AbortSignal,
  prepare: (hosts: TwoHosts) => Promise<PreparedCase>,
): Promise<PreparedCase> {
  const namespaces: NetnsHandle[] = []
  let running: StartedProcess | undefined
  const close = async (): Promise<void> => {
    await running?.stop()
    for (const netns of namespaces) netns.close()
  }
  try {
    const [one, two] = [createNetns(), createNetns()]
    namespaces.push(one, two)
    const hostOf = (name: string, { path }: NetnsHandle): Host => ({ ...localMachine.enter(path), name })
    const [client, server] = [hostOf('client', one), hostOf('server', two)]
    await client.run(['ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', two.path], { signal })
    for (const [host, address] of [
      [client, addresses.client],
      [server, addresses.server],
    ] as const) {
      const lines = ['link set lo up', 'link set eth0 up', `addr add ${address}/24 dev eth0`]
      await host.run(['ip', '-batch', '-'], { input: lines.join('\n'), signal })
    }
    const port = verb === 'serve' ? ports.tests : ports.trips
    running = server.start([...onOneCpu, builtProgram('bench-tool'), verb, addresses.server, String(port)])
    await untilItListens(running, signal)
    const flowHost = (host: Host, role: FlowHost['role'], address: string): FlowHost => ({
      role,
      host,
      address,
      uplink: 'eth0',
      cniStateDir: '/nonexistent',
    })
    const lab: FlowLab = {
      hosts: [flowHost(client, 'external', addresses.client), flowHost(server, 'node', addresses.server)],
      client: withoutApi,
      lab: { name: 'bench', substrate: 'netns', datapath: 'routed', proxy: 'none' },
    }
    const prepared = await prepare({ client, server, lab })
    return {
      ...prepared,
      async close() {
        await prepared.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

const refuse = (): never => {
  throw new PodwireError('API_UNREACHABLE', 'these two hosts have no API server')
}

/** Flows between hosts ask no API server; one that did would fail. */
const withoutApi: Client = {
  server: 'none',
  get: refuse,
  list: refuse,
  watch: refuse,
  create: refuse,
  createSub: refuse,
  update: refuse,
  updateStatus: refuse,
  patch: refuse,
  delete: refuse,
  raw: refuse,
  close() {},
}
