import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import type { Host, StartedProcess } from '../../src/kernel/host.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { createNetns, type NetnsHandle } from '../../src/kernel/netns.js'
import { type PlaceName, places, secondAddress } from '../suites/service-flows.js'

export interface Answer {
  /** Each different answer, `<place> <address it saw>`. */
  readonly answers: readonly string[]
  /** The errno name of the attempt that failed; `SILENCE` when nothing came back in time. */
  readonly failure?: string
}

/** One thing to reach, again and again until each of `places` has answered. */
export interface Ask {
  readonly ip: string
  /** The address to send from; the kernel's choice when absent. */
  readonly source?: string
  readonly sourcePort?: number
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  readonly places: readonly PlaceName[]
  readonly attempts: number
  readonly patienceMs: number
}

/** Connections to one address that stay open. */
export interface Keep {
  readonly ip: string
  readonly port: number
}

export interface ServiceNetwork {
  /** The node whose rules are tested. */
  readonly node: Host
  /** The path of the node's network namespace. */
  readonly nodeNetns: string
  ask(from: PlaceName, ask: Ask): Promise<Answer>
  /** Opens connections to port 8081 of whoever serves it, and keeps them. */
  open(from: PlaceName, count: number, to: Keep): Promise<void>
  /** Says something on each connection that `from` keeps, and returns who answered. */
  speak(from: PlaceName): Promise<readonly string[]>
  close(): Promise<void>
}

const pods = ['client', 'near', 'near2'] as const
const onUnderlay = ['far', 'outside', 'blocked'] as const
const gateway = '172.30.0.1'
const peerProgram = fileURLToPath(new URL('flow-peer.mjs', import.meta.url))

/**
 * The places of the service flows as namespaces: Pods on routed veths of the node, the others with it on an Ethernet segment. What no rule
 * of the node rewrites goes to a gateway, which answers with "administratively prohibited": EHOSTUNREACH at the sender.
 */
export async function createServiceNetwork(): Promise<ServiceNetwork> {
  const made: NetnsHandle[] = []
  const namespace = (): NetnsHandle & { readonly host: Host } => {
    const netns = createNetns()
    made.push(netns)
    return { ...netns, host: localMachine.enter(netns.path) }
  }
  const ip = (host: Host, ...lines: readonly string[]) => host.run(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` })
  const sysctl = (host: Host, ...settings: readonly string[]) => host.run(['sysctl', '-qw', ...settings])

  const segment = namespace()
  const node = namespace()
  const router = namespace()
  const others = Object.fromEntries([...pods, ...onUnderlay].map(name => [name, namespace()])) as Record<
    (typeof pods)[number] | (typeof onUnderlay)[number],
    ReturnType<typeof namespace>
  >

  await ip(segment.host, 'link add br0 type bridge', 'link set br0 up')
  const plug = async (netns: NetnsHandle & { readonly host: Host }, port: string, address: string, ...more: readonly string[]) => {
    await ip(segment.host, `link add ${port} type veth peer name eth0 netns ${netns.path}`, `link set ${port} master br0 up`)
    await ip(netns.host, 'link set lo up', `addr add ${address} dev eth0`, 'link set eth0 up', ...more)
  }
  await plug(
    router,
    'router',
    `${gateway}/24`,
    `route add default via ${places.node} dev eth0`,
    'route add prohibit 10.96.0.0/16',
    'route add prohibit 192.0.2.0/24',
  )
  const podRoutes = [...pods, 'far' as const].map(name => `route add ${places[name]}/32 dev ${name === 'far' ? 'eth0' : `veth-${name}`}`)
  const links = pods.flatMap(name => [
    `link add veth-${name} type veth peer name eth0 netns ${others[name].path}`,
    `link set veth-${name} up`,
  ])
  await plug(
    node,
    'node',
    `${places.node}/24`,
    ...links,
    'link add second type bridge',
    `addr add ${secondAddress}/24 dev second`,
    'link set second up',
    ...podRoutes,
    `route add default via ${gateway}`,
  )
  for (const name of pods) {
    await ip(
      others[name].host,
      'link set lo up',
      `addr add ${places[name]}/32 dev eth0`,
      'link set eth0 up',
      `route add default via ${places.node} dev eth0 onlink`,
    )
  }
  await plug(others.far, 'far', `${places.far}/32`, `route add default via ${places.node} dev eth0 onlink`)
  for (const name of ['outside', 'blocked'] as const) {
    await plug(others[name], name, `${places[name]}/24`, `route add default via ${places.node} dev eth0`)
  }
  const forwarding = [
    'net.ipv4.ip_forward=1',
    'net.ipv4.icmp_ratelimit=0',
    'net.ipv4.conf.all.send_redirects=0',
    'net.ipv4.conf.eth0.send_redirects=0',
  ]
  await sysctl(router.host, ...forwarding)
  await sysctl(node.host, ...forwarding, 'net.ipv4.conf.all.route_localnet=1')

  const peers = new Map<PlaceName, Peer>()
  for (const [name, { host }] of Object.entries({ node, ...others })) peers.set(name as PlaceName, await startPeer(name, host))

  return {
    node: node.host,
    nodeNetns: node.path,
    ask: (from, ask) => peers.get(from)!.tell({ ...ask }),
    open: async (from, count, to) => void (await peers.get(from)!.tell({ open: count, ...to })),
    speak: async from => (await peers.get(from)!.tell({ speak: true, patienceMs: 5_000 })).answers,
    async close() {
      await Promise.all([...peers.values()].map(({ process }) => process.stop()))
      for (const netns of made) netns.close()
    },
  }
}

interface Peer {
  readonly process: StartedProcess
  tell(what: object): Promise<Answer>
}

async function startPeer(name: string, host: Host): Promise<Peer> {
  const started = host.start([process.execPath, peerProgram, name])
  const lines = createInterface(started.stdout!)
  const waiting = new Map<number, (answer: Answer) => void>()
  const [first] = (await once(lines, 'line')) as [string]
  if (first !== 'ready') throw new Error(`${name} said ${first}`)
  lines.on('line', line => {
    const { id, ...answer } = JSON.parse(line) as Answer & { readonly id: number }
    waiting.get(id)?.(answer)
  })
  let count = 0
  return {
    process: started,
    tell: what =>
      new Promise(resolve => {
        const id = count++
        waiting.set(id, resolve)
        started.stdin!.write(`${JSON.stringify({ id, ...what })}\n`)
      }),
  }
}
