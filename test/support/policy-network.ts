import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import type { Host, StartedProcess } from '../../src/kernel/host.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { createNetns, type NetnsHandle } from '../../src/kernel/netns.js'

export interface PolicyPlace {
  readonly name: string
  readonly ip: string
  readonly ip6: string
  /** On the bridge of the node, or behind a route of it. */
  readonly isLocal: boolean
}

export interface Probe {
  readonly key: string
  readonly protocol: 'tcp' | 'udp'
  readonly ip: string
  readonly port: number
}

export interface PolicyNetwork {
  /** Where the rules go. */
  readonly node: Host
  /** Runs a command at one of the places. */
  at(place: string): Host
  send(from: string, probes: readonly Probe[]): Promise<void>
  /** Keys of the probes that have arrived so far. */
  readonly arrived: ReadonlySet<string>
  close(): Promise<void>
}

export const policyNode = { name: 'node', ip: '172.30.0.11', ip6: 'fd00:172:30::11' } as const
const program = fileURLToPath(new URL('policy-peer.mjs', import.meta.url))

/** A node with local Pods on a bridge (frames between them are handed to the IP hooks) and everybody else behind routed links. */
export async function createPolicyNetwork(places: readonly PolicyPlace[], udpPorts: readonly number[]): Promise<PolicyNetwork> {
  const made: NetnsHandle[] = []
  const namespace = (): NetnsHandle & { readonly host: Host } => {
    const netns = createNetns()
    made.push(netns)
    return { ...netns, host: localMachine.enter(netns.path) }
  }
  const ip = (host: Host, ...lines: readonly string[]) => host.run(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` })
  const node = namespace()
  const others = new Map(places.map(place => [place.name, namespace()]))
  await ip(
    node.host,
    'link set lo up',
    `addr add ${policyNode.ip}/32 dev lo`,
    `addr add ${policyNode.ip6}/128 dev lo`,
    'link add cni0 type bridge',
    'addr add 10.244.1.1/24 dev cni0',
    'addr add fd00:10:244:1::1/64 dev cni0 nodad',
    'link set cni0 up',
  )
  await node.host.run([
    'sysctl',
    '-qw',
    'net.ipv4.ip_forward=1',
    'net.ipv6.conf.all.forwarding=1',
    'net.bridge.bridge-nf-call-iptables=1',
    'net.bridge.bridge-nf-call-ip6tables=1',
  ])
  for (const { name, ip: own, ip6, isLocal } of places) {
    const { host, path } = others.get(name)!
    const far = isLocal ? [] : [`route add ${own}/32 dev v-${name}`, `route add ${ip6}/128 dev v-${name}`]
    await ip(
      node.host,
      `link add v-${name} type veth peer name eth0 netns ${path}`,
      ...(isLocal ? [`link set v-${name} master cni0`] : [`addr add fe80::1/64 dev v-${name} nodad`]),
      `link set v-${name} up`,
      ...far,
    )
    await ip(
      host,
      'link set lo up',
      `addr add ${own}/${isLocal ? 24 : 32} dev eth0`,
      `addr add ${ip6}/${isLocal ? 64 : 128} dev eth0 nodad`,
      'link set eth0 up',
      isLocal ? 'route add default via 10.244.1.1' : 'route add default via 10.244.1.1 dev eth0 onlink',
      isLocal ? 'route add default via fd00:10:244:1::1' : 'route add default via fe80::1 dev eth0',
    )
    await host.run(['sysctl', '-qw', 'net.ipv4.icmp_ratelimit=0'])
  }

  const arrived = new Set<string>()
  const sent = new Map<number, () => void>()
  const peers = new Map<string, StartedProcess>()
  for (const [name, host] of [['node', node.host] as const, ...[...others].map(([name, { host }]) => [name, host] as const)]) {
    const process_ = host.start([process.execPath, program, ...udpPorts.map(String)])
    peers.set(name, process_)
    const lines = createInterface(process_.stdout!)
    await once(lines, 'line')
    lines.on('line', line => {
      const { key, id } = JSON.parse(line) as { readonly key?: string; readonly id?: number }
      if (key !== undefined) arrived.add(key)
      if (id !== undefined) sent.get(id)?.()
    })
  }
  let count = 0
  return {
    node: node.host,
    at: place => others.get(place)!.host,
    arrived,
    send: (from, probes) =>
      new Promise(resolve => {
        const id = count++
        sent.set(id, resolve)
        peers.get(from)!.stdin!.write(`${JSON.stringify({ id, send: probes })}\n`)
      }),
    async close() {
      await Promise.all([...peers.values()].map(peer => peer.stop()))
      for (const netns of made) netns.close()
    },
  }
}
