import { type Ip, parseIp } from '../base/net/address.js'
import { builtProgram } from '../kernel/built-program.js'
import type { Host, StartedProcess } from '../kernel/host.js'
import { localMachine } from '../kernel/local-machine.js'
import { forgetFlowsOf } from '../kernel/netlink-conntrack.js'
import { createNetns, type NetnsHandle, withNetns } from '../kernel/netns.js'
import { serverAddresses, serverPort } from './service-objects.js'
import { untilItListens } from './until-it-listens.js'

/** Both ends run on one CPU: to wake another costs three times what the rules do, in one round and not in the next. */
export const onOneCpu = ['taskset', '--cpu-list', '0'] as const

/** A client that reaches the servers through a node of its own. */
export interface ServiceNode {
  readonly client: Host
  readonly node: Host
  /** Makes every flow of the client a new one to the node. */
  forgetFlows(): void
}

export interface ServiceNodes {
  /** A further node with its client. Nodes differ in nothing but what is done to them afterwards. */
  add(signal: AbortSignal): Promise<ServiceNode>
  close(): Promise<void>
}

/**
 * One namespace with the servers of TCP and UDP on both addresses, and for each node that is added a namespace for it and one for its client:
 * client, veth, node (which routes), veth, servers.
 */
export async function createServiceNodes(signal: AbortSignal): Promise<ServiceNodes> {
  const made: NetnsHandle[] = []
  const servers: StartedProcess[] = []
  const newNetns = (): NetnsHandle => {
    const netns = createNetns()
    made.push(netns)
    return netns
  }
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(server => server.stop()))
    for (const netns of made) netns.close()
  }
  try {
    const far = newNetns()
    const host = localMachine.enter(far.path)
    await ip(host, ['link set lo up', ...serverAddresses.map(address => `address add ${address}/32 dev lo`)], signal)
    for (const address of serverAddresses)
      for (const verb of ['serve', 'echo'])
        servers.push(host.start([...onOneCpu, builtProgram('bench-tool'), verb, address, String(serverPort)]))
    await Promise.all(servers.map(server => untilItListens(server, signal)))
    let count = 0
    return {
      add: each => {
        count += 1
        return addNode({ n: count, far, client: newNetns(), node: newNetns() }, each)
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

interface NodeParts {
  readonly n: number
  readonly far: NetnsHandle
  readonly client: NetnsHandle
  readonly node: NetnsHandle
}

async function addNode({ n, far, client, node }: NodeParts, signal: AbortSignal): Promise<ServiceNode> {
  const own: Ip = parseIp(`10.244.${n}.2`)
  const [clientHost, nodeHost, farHost] = [client, node, far].map(({ path }) => localMachine.enter(path)) as [Host, Host, Host]
  await ip(
    nodeHost,
    [
      'link set lo up',
      `link add pod type veth peer name eth0 netns ${client.path}`,
      `link add eth0 type veth peer name node${n} netns ${far.path}`,
      `address add 10.244.${n}.1/24 dev pod`,
      `address add 172.30.${n}.1/24 dev eth0`,
      'link set pod up',
      'link set eth0 up',
    ],
    signal,
  )
  await ip(
    farHost,
    [`address add 172.30.${n}.2/24 dev node${n}`, `link set node${n} up`, `route add 10.244.${n}.0/24 via 172.30.${n}.1`],
    signal,
  )
  await ip(nodeHost, [`route add 10.245.0.0/24 via 172.30.${n}.2`], signal)
  await ip(
    clientHost,
    ['link set lo up', `address add ${own}/24 dev eth0`, 'link set eth0 up', `route add default via 10.244.${n}.1`],
    signal,
  )
  await nodeHost.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1'], { signal })
  return { client: clientHost, node: nodeHost, forgetFlows: () => withNetns(node.path, () => forgetFlowsOf(own)) }
}

const ip = (host: Host, lines: readonly string[], signal: AbortSignal) =>
  host.run(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n`, signal })
