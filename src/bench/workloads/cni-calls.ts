import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { PodwireError } from '../../base/errors/podwire-error.js'
import { startForwardServer } from '../../cni/forward-server.js'
import { createCniPlugin } from '../../cni/plugin.js'
import { podInterfaces } from '../../cni/pod-interface.js'
import { builtProgram } from '../../kernel/built-program.js'
import { localMachine } from '../../kernel/local-machine.js'
import { openRtnetlink } from '../../kernel/netlink-rtnetlink.js'
import { createNetns, type NetnsHandle, withNetns } from '../../kernel/netns.js'
import { median } from '../statistics.js'
import { type Arm, type BenchCase, type PreparedCase, type Scale, timed } from '../workload.js'

/** Debian's, which a node without us would have. */
const referenceDir = '/usr/lib/cni'
const reference = 'bridge + host-local'

const podsAtOnce: Readonly<Record<Scale, number>> = { quick: 30, default: 100, full: 100 }
const podsInTurn: Readonly<Record<Scale, number>> = { quick: 5, default: 10, full: 10 }

/** What a call costs the runtime, one at a time and many at once; both arms do equal work: two families, a default route each, hairpin. */
export const callCases = (scale: Scale): readonly BenchCase[] => [
  {
    name: 'a Pod',
    parameters: { families: 2 },
    metrics: [timed('ADD', 'ms'), timed('DEL', 'ms')],
    baseline: reference,
    prepare: (_context, signal) => prepare(network => inTurn(network, podsInTurn[scale], signal), signal),
  },
  {
    name: 'many at once',
    parameters: { pods: podsAtOnce[scale] },
    metrics: [timed('all ADDs', 'ms'), timed('all DELs', 'ms')],
    baseline: reference,
    rounds: scale === 'quick' ? 4 : 10,
    prepare: (_context, signal) => prepare(network => atOnce(network, podsAtOnce[scale], signal), signal),
  },
]

/** One plugin on a node of its own. */
interface Network {
  /** Calls the plugin as a runtime does and returns how long that took, in milliseconds. */
  call(command: 'ADD' | 'DEL', pod: Pod, signal: AbortSignal): Promise<number>
}

interface Pod {
  readonly id: string
  readonly netns: NetnsHandle
}

async function inTurn(network: Network, count: number, signal: AbortSignal): Promise<Readonly<Record<string, number>>> {
  const times: Record<'ADD' | 'DEL', number[]> = { ADD: [], DEL: [] }
  for (let i = 0; i < count; i++) {
    await withPods(1, async ([pod]) => {
      if (pod === undefined) return
      for (const command of ['ADD', 'DEL'] as const) times[command].push(await network.call(command, pod, signal))
    })
  }
  return { ADD: median(times.ADD), DEL: median(times.DEL) }
}

async function atOnce(network: Network, count: number, signal: AbortSignal): Promise<Readonly<Record<string, number>>> {
  // A listener for every process that runs.
  setMaxListeners(0, signal)
  return withPods(count, async pods => {
    const all = async (command: 'ADD' | 'DEL'): Promise<number> => {
      const start = performance.now()
      await Promise.all(pods.map(pod => network.call(command, pod, signal)))
      return performance.now() - start
    }
    return { 'all ADDs': await all('ADD'), 'all DELs': await all('DEL') }
  })
}

async function withPods<T>(count: number, work: (pods: readonly Pod[]) => Promise<T>): Promise<T> {
  const pods = Array.from({ length: count }, (): Pod => ({ id: randomBytes(32).toString('hex'), netns: createNetns() }))
  try {
    return await work(pods)
  } finally {
    for (const { netns } of pods) netns.close()
  }
}

const ranges = ['10.88.0.0/24', 'fd00:10:88::/112'] as const

/** An agent has served before: its code is compiled when it is asked. */
const podsBefore = 40

/** The three arms, each on a node of its own; `measure` takes one sample. */
async function prepare(
  measure: (network: Network) => Promise<Readonly<Record<string, number>>>,
  signal: AbortSignal,
): Promise<PreparedCase> {
  const dir = mkdtempSync(join(tmpdir(), 'podwire-bench-'))
  const closers: (() => void | Promise<void>)[] = [() => rmSync(dir, { recursive: true, force: true })]
  const close = async (): Promise<void> => {
    for (const each of closers.reverse()) await each()
  }
  try {
    const newNode = (): NetnsHandle => {
      const netns = createNetns()
      closers.push(() => netns.close())
      return netns
    }
    const arm = (name: string, network: Network): Arm => ({ name, measure: () => measure(network) })
    const forwarder = await byForwarder(newNode(), dir, closers)
    await inTurn(forwarder, podsBefore, signal)
    const arms = [arm('podwire', forwarder), arm('podwire, fall-back', byItself(newNode(), dir))]
    const lacks = ['bridge', 'host-local'].find(name => !existsSync(join(referenceDir, name)))
    if (lacks !== undefined)
      return { arms, missing: [{ arm: reference, why: `no ${referenceDir}/${lacks}: apt-get install containernetworking-plugins` }], close }
    return { arms: [...arms, arm(reference, byReference(newNode(), dir))], close }
  } catch (error) {
    await close()
    throw error
  }
}

const common = { cniVersion: '1.0.0', name: 'bench' }
const ours = (stateDir: string): object => ({ ...common, type: 'podwire', bridge: 'cni0', ranges, stateDir })

function byReference(node: NetnsHandle, dir: string): Network {
  const ipam = {
    type: 'host-local',
    dataDir: join(dir, 'host-local'),
    ranges: ranges.map(subnet => [{ subnet }]),
    routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
  }
  const conf = { ...common, type: 'bridge', bridge: 'cni0', isGateway: true, hairpinMode: true, ipam }
  return network(node, join(referenceDir, 'bridge'), conf, {})
}

/** The forwarder finds no agent and becomes the plugin. */
const byItself = (node: NetnsHandle, dir: string): Network =>
  network(node, builtProgram('cni-forward'), ours(join(dir, 'alone')), { PODWIRE_CNI_SOCKET: join(dir, 'nobody.sock') })

/** As on a node: the forwarder hands calls to a process that stays. */
async function byForwarder(node: NetnsHandle, dir: string, closers: (() => void | Promise<void>)[]): Promise<Network> {
  const socket = join(dir, 'cni.sock')
  const rtnetlink = withNetns(node.path, openRtnetlink)
  closers.push(() => rtnetlink.close())
  const datapath = podInterfaces({ enter: fn => withNetns(node.path, fn), rtnetlink })
  const server = await startForwardServer(socket, createCniPlugin({ datapath, run: localMachine.enter(node.path).run }))
  closers.push(() => server.close())
  const bin = join(dir, 'bin')
  mkdirSync(bin)
  copyFileSync(builtProgram('cni-forward'), join(bin, 'podwire'))
  return network(node, join(bin, 'podwire'), ours(join(dir, 'agent')), { PODWIRE_CNI_SOCKET: socket })
}

function network(node: NetnsHandle, program: string, conf: object, settings: Readonly<Record<string, string>>): Network {
  const { run } = localMachine.enter(node.path)
  const stopwatch = [builtProgram('bench-tool'), 'time', program]
  const results = new Map<string, unknown>()
  return {
    async call(command, { id, netns }, signal) {
      const env = {
        ...settings,
        CNI_COMMAND: command,
        CNI_CONTAINERID: id,
        CNI_NETNS: netns.path,
        CNI_IFNAME: 'eth0',
        CNI_PATH: referenceDir,
      }
      const input = JSON.stringify(command === 'ADD' ? conf : { ...conf, prevResult: results.get(id) })
      const { stdout, stderr, exitCode } = await run(stopwatch, { env, input, allowFailure: true, signal })
      if (exitCode !== 0) throw new PodwireError('COMMAND_FAILED', `${program} ${command}: ${stdout.trim() || stderr.trim()}`)
      if (command === 'ADD') results.set(id, JSON.parse(stdout))
      else results.delete(id)
      return Number(stderr.trim().split('\n').at(-1)) / 1e6
    },
  }
}
