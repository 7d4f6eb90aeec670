import { randomBytes, randomInt } from 'node:crypto'

import { PodwireError } from '../base/errors/podwire-error.js'
import type { IpFamily } from '../base/net/address.js'
import type { Host } from '../kernel/host.js'
import { aliasOf, nodeOfBound } from './bind.js'
import type { Bound, BoundHost, BoundPod, BoundService } from './bound.js'
import type { Exchange } from './correlate.js'
import type { Send } from './flow-test-schema.js'
import type { ProbeResult, ProbeTask } from './probe-protocol.js'
import type { Prober } from './prober.js'
import { boundAs, type RoleContext } from './roles.js'

/** One exchange of a flow, ready to be sent: from whom, to which address, and which Service that is. */
export interface PlannedExchange {
  /** `flow`; of a flow that asks a name first, `query` and `use`. */
  readonly leg: string
  readonly client: BoundPod | BoundHost
  readonly protocol: Exchange['protocol']
  readonly target: { readonly ip: string; readonly port: number | undefined }
  readonly service: BoundService | undefined
  readonly door: string | undefined
  /** The Pod it is addressed to, when it is no Service. */
  readonly server: BoundPod | undefined
  /** In words, for people: `tcp 10.96.0.10:80`. */
  readonly text: string
  readonly timeoutMs: number
  /** The task for a prober; ICMP has none, it is sent by ping. */
  task(sourcePort: number): ProbeTask | undefined
  readonly icmpSize: number | undefined
  /** The packet must not be cut by its sender. */
  readonly isWhole: boolean
}

export interface SentExchange {
  readonly planned: PlannedExchange
  readonly result: ProbeResult
  readonly sourcePort: number | undefined
}

/** Below the range of ephemeral and of node ports, so that a port is free unless one of ours has it. */
const sourcePorts = { from: 20_000, to: 29_999 }

/** The exchange that a `send` describes. Errors: CONFIG_INVALID when it makes no sense for what its aliases stand for. */
export function planSend(send: Send, context: RoleContext): PlannedExchange {
  const client = boundAs(aliasOf(send.from), context)
  if (client.kind === 'service') throw new PodwireError('CONFIG_INVALID', `${send.from} is a Service; it cannot send`)
  const addressed = send.to === 'localhost' ? undefined : boundAs(aliasOf(send.to), context)
  const service = addressed?.kind === 'service' ? addressed : undefined
  const given = (send.tcp ?? send.udp ?? send.http ?? send.dns)?.port
  const throughDoor = addressed?.kind === 'host' && addressed.role === 'node' ? nodePortService(given, context) : undefined
  const port = given ?? service?.port ?? (send.dns ? 53 : undefined)
  const ip = addressed === undefined ? loopback[context.facts.family] : addressed.ip
  if (ip === undefined) throw new PodwireError('CONFIG_INVALID', `${send.to} is headless; send to one of its Pods, or ask for its name`)
  if (port === undefined && !send.icmp) throw new PodwireError('CONFIG_INVALID', `sending to ${send.to} needs a port`)
  return {
    leg: send.dns?.then ? 'query' : 'flow',
    client,
    protocol: protocolOf(send, context.facts.family),
    target: { ip, port },
    service: service ?? throughDoor,
    door: throughDoor && addressed?.kind === 'host' ? addressed.key : undefined,
    server: addressed === undefined ? (client.kind === 'pod' ? client : undefined) : addressed.kind === 'pod' ? addressed : undefined,
    text: describeSend(send, ip, port),
    timeoutMs: milliseconds(send.timeout),
    task: sourcePort => (port === undefined ? undefined : taskOf(send, { ip, port, sourcePort })),
    isWhole: typeof send.icmp?.size === 'string',
    icmpSize: send.icmp && icmpSize(send.icmp.size, { client, server: addressed, context }),
  }
}

/** Headers of IP and ICMP, in bytes, by family. */
export const icmpOverhead = { 4: 28, 6: 48 } as const

const loopback = { 4: '127.0.0.1', 6: '::1' } as const

/** The bytes of an ICMP payload; for a packet that just fits, from the largest that interfaces and segments take. */
function icmpSize(
  size: NonNullable<Send['icmp']>['size'],
  { client, server, context }: { readonly client: Bound; readonly server: Bound | undefined; readonly context: RoleContext },
): number {
  if (typeof size === 'number') return size
  return (
    (size === 'mtu' ? interfaceMtu(client, context) : Math.min(interfaceMtu(client, context), interfaceMtu(server, context))) -
    icmpOverhead[context.facts.family]
  )
}

const hostOf = (bound: Bound | undefined, { facts }: RoleContext) => facts.hosts.get(nodeOfBound(bound) ?? bound?.key ?? '')

/** The largest packet that a Pod or host may send: on a node that of its bridge, which Pods share. */
function interfaceMtu(bound: Bound | undefined, context: RoleContext): number {
  const host = hostOf(bound, context)
  return (bound?.kind === 'pod' ? host?.bridge?.mtu : host?.uplink?.mtu) ?? 1500
}

/** What follows a name's answer: the connection to its first address. */
export function planUse(send: Send, query: PlannedExchange, address: string, server: BoundPod | undefined): PlannedExchange | undefined {
  const then = send.dns?.then
  const port = then?.http?.port ?? then?.tcp?.port
  if (then === undefined || port === undefined) return undefined
  const use = { ...send, dns: undefined, ...(then.http ? { http: then.http } : { tcp: then.tcp }) } as Send
  return {
    ...query,
    leg: 'use',
    protocol: 'tcp',
    target: { ip: address, port },
    service: undefined,
    door: undefined,
    server,
    text: describeSend(use, address, port),
    task: sourcePort => taskOf(use, { ip: address, port, sourcePort }),
  }
}

/** The Service whose node port this is, among the bound ones. */
const nodePortService = (port: number | undefined, { bindings }: RoleContext): BoundService | undefined =>
  [...bindings.values()].find((bound): bound is BoundService => bound.kind === 'service' && port !== undefined && bound.nodePort === port)

const protocolOf = (send: Send, family: IpFamily): Exchange['protocol'] =>
  send.icmp ? (family === 6 ? 'icmpv6' : 'icmp') : send.udp || send.dns ? 'udp' : 'tcp'

/** An address as it stands before a port (RFC 3986, section 3.2.2). */
export const inUrl = (ip: string): string => (ip.includes(':') ? `[${ip}]` : ip)

function describeSend(send: Send, ip: string, port: number | undefined): string {
  const to = port === undefined ? ip : `${inUrl(ip)}:${port}`
  if (send.http) return `http GET ${send.http.path} at ${to}`
  if (send.dns) return `dns ${send.dns.type} ${send.dns.name} at ${to}`
  return `${send.icmp ? 'icmp echo' : send.udp ? 'udp' : 'tcp'} ${to}`
}

function taskOf(
  send: Send,
  { ip, port, sourcePort }: { readonly ip: string; readonly port: number; readonly sourcePort: number },
): ProbeTask {
  const to = { address: ip, port, sourcePort, timeoutMs: milliseconds(send.timeout) }
  const nonce = randomBytes(12).toString('hex')
  if (send.udp) return { do: 'udp', ...to, payload: `podwire-${nonce}` }
  if (send.dns) return { do: 'dns', ...to, id: randomInt(0x10000), name: send.dns.name, type: send.dns.type }
  if (send.http) return { do: 'http', ...to, path: send.http.path, host: send.http.host ?? inUrl(ip), nonce }
  return { do: 'tcp', ...to, ...(send.tcp?.payload !== undefined && { payload: send.tcp.payload }) }
}

function milliseconds(duration: string): number {
  return duration.endsWith('ms') ? Number(duration.slice(0, -2)) : Number(duration.slice(0, -1)) * 1000
}

/** Sends it; a local port that is taken is exchanged for another. */
export async function sendExchange(planned: PlannedExchange, prober: Prober, signal: AbortSignal): Promise<SentExchange> {
  if (planned.icmpSize !== undefined) {
    return { planned, result: await ping(planned.client.host, planned, signal), sourcePort: undefined }
  }
  for (;;) {
    const sourcePort = randomInt(sourcePorts.from, sourcePorts.to + 1)
    const result = await prober.perform(planned.task(sourcePort)!, signal)
    if (result.outcome !== 'busy') return { planned, result, sourcePort }
  }
}

/** The kernel's default. */
const usualMemorySeconds = 600

const rememberPathMtu = (host: Host, { target }: PlannedExchange, seconds: number, signal: AbortSignal) =>
  host.run(['busybox', 'sysctl', '-w', `net.${target.ip.includes(':') ? 'ipv6' : 'ipv4'}.route.mtu_expires=${seconds}`], {
    allowFailure: true,
    signal,
  })

async function ping(host: Host, planned: PlannedExchange, signal: AbortSignal): Promise<ProbeResult> {
  const { target, timeoutMs, icmpSize, isWhole } = planned
  const seconds = String(Math.max(1, Math.ceil(timeoutMs / 1000)))
  // What the kernel learns of the path would have it cut the next such packet before it is sent.
  if (isWhole) await rememberPathMtu(host, planned, 0, signal)
  const argv = ['busybox', 'ping', '-c', '1', '-W', seconds, '-s', String(icmpSize), target.ip]
  const { exitCode, stderr } = await host.run(argv, { allowFailure: true, signal })
  if (isWhole) await rememberPathMtu(host, planned, usualMemorySeconds, signal)
  if (exitCode === 0) return { outcome: 'delivered' }
  return { outcome: /unreachable/i.test(stderr) ? 'unreachable' : 'timeout', ...(stderr && { error: stderr.trim() }) }
}
