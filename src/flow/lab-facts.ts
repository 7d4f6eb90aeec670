import { join } from 'node:path'
import { z } from 'zod'
import { nodePaths } from '../base/config/agent-config.js'
import { Attachment } from '../base/config/attachment.js'
import { cidrContains, type IpFamily, ipFamily, parseCidr, parseInterfaceAddress, parseIp } from '../base/net/address.js'
import type { Host } from '../kernel/host.js'
import type { FlowHost, FlowLab } from './flow-lab.js'
import type { Prober } from './prober.js'

export interface InterfaceFacts {
  readonly name: string
  readonly mac: string
  /** Addresses of the family, without prefix length and without link-local ones; the first is the one the kernel prefers as a source. */
  readonly addresses: readonly string[]
  readonly vni: number | undefined
  readonly kind: string | undefined
  /** The largest packet. */
  readonly mtu: number
}

/** What holds on one host now. */
export interface HostFacts {
  readonly name: string
  readonly role: FlowHost['role']
  readonly address: string
  /** The address that tunnels end at, whatever they carry. */
  readonly tunnelAddress: string
  readonly host: Host
  readonly uplink: InterfaceFacts | undefined
  /** All its interfaces on the underlay: of the router one a segment. */
  readonly uplinks: readonly InterfaceFacts[]
  /** The range of the segment on which its address is. */
  readonly segment: string | undefined
  readonly bridge: InterfaceFacts | undefined
  readonly vxlan: InterfaceFacts | undefined
  /** net.bridge.bridge-nf-call-iptables, of IPv6 bridge-nf-call-ip6tables. */
  readonly isBridgeFiltered: boolean
  readonly attachments: readonly Attachment[]
}

/** Everything about the lab that predictions rest on, seen by one address family. */
export interface LabFacts {
  readonly family: IpFamily
  readonly hosts: ReadonlyMap<string, HostFacts>
  readonly datapath: FlowLab['lab']['datapath']
  readonly proxy: string
  readonly masqueradeAll: boolean
}

const Links = z.array(
  z.object({
    ifname: z.string(),
    address: z.string().default(''),
    mtu: z.int().default(0),
    linkinfo: z.object({ info_kind: z.string().optional(), info_data: z.object({ id: z.int().optional() }).optional() }).optional(),
    addr_info: z.array(z.object({ local: z.string().optional(), prefixlen: z.int().optional() })).default([]),
  }),
)

function segmentOf(links: z.infer<typeof Links>, address: string): string | undefined {
  const found = links.flatMap(({ addr_info }) => addr_info).find(({ local }) => local === address)
  return found?.prefixlen === undefined ? undefined : parseInterfaceAddress(`${address}/${found.prefixlen}`).cidr
}

/** The router between the segments of two hosts; undefined when it is the same one. */
export function routerBetween({ hosts }: LabFacts): (here: string, there: string) => string | undefined {
  const router = [...hosts.values()].find(({ role }) => role === 'router')?.name
  return (here, there) => (hosts.get(here)?.segment === hosts.get(there)?.segment ? undefined : router)
}

/** The facts by family; a host without an address of the family is not among its hosts. */
export type FactsByFamily = Readonly<Record<IpFamily, LabFacts>>

/** Reads the facts of all hosts. `proberOf` gives the prober of a host, which can read its files. */
export async function readLabFacts(lab: FlowLab, proberOf: (host: FlowHost) => Prober, signal: AbortSignal): Promise<FactsByFamily> {
  const readings = await Promise.all(
    lab.hosts.filter(({ role }) => role !== 'control-plane').map(host => readHost(host, proberOf(host), signal)),
  )
  const seenBy = (family: IpFamily): LabFacts => ({
    family,
    hosts: new Map(readings.flatMap(reading => hostFacts(reading, family) ?? []).map(host => [host.name, host])),
    datapath: lab.lab.datapath,
    proxy: lab.lab.proxy,
    masqueradeAll: lab.lab.masqueradeAll ?? false,
  })
  return { 4: seenBy(4), 6: seenBy(6) }
}

/** What a host said of itself. */
interface HostReading {
  readonly flowHost: FlowHost
  readonly links: z.infer<typeof Links>
  readonly bridgeFilters: Readonly<Record<IpFamily, boolean>>
  readonly attachments: readonly Attachment[]
}

async function readHost(flowHost: FlowHost, prober: Prober, signal: AbortSignal): Promise<HostReading> {
  const { host, cniStateDir } = flowHost
  const dir = join(cniStateDir ?? nodePaths.cniStateDir, 'attachments')
  const filters = ['iptables', 'ip6tables'].map(program => `/proc/sys/net/bridge/bridge-nf-call-${program}`)
  const [{ stdout }, bridgeFilter, { files = {} }] = await Promise.all([
    host.run(['ip', '-j', '-d', 'address'], { signal }),
    host.run(['cat', ...filters], { signal, allowFailure: true }),
    prober.perform({ do: 'read', dir, suffix: '.json' }, signal),
  ])
  const [four, six] = bridgeFilter.stdout.split('\n')
  return {
    flowHost,
    links: Links.parse(JSON.parse(stdout)),
    bridgeFilters: { 4: four === '1', 6: six === '1' },
    attachments: Object.values(files).map(text => Attachment.parse(JSON.parse(text))),
  }
}

function hostFacts({ flowHost, links, bridgeFilters, attachments }: HostReading, family: IpFamily): HostFacts | undefined {
  const { host, role, address: tunnelAddress, uplink } = flowHost
  const interfaces = links.map(
    (link): InterfaceFacts => ({
      name: link.ifname,
      mac: link.address,
      addresses: link.addr_info.flatMap(({ local }) => (local !== undefined && isOf(family, local) ? [local] : [])),
      vni: link.linkinfo?.info_data?.id,
      kind: link.linkinfo?.info_kind,
      mtu: link.mtu,
    }),
  )
  const address =
    ipFamily(parseIp(tunnelAddress)) === family ? tunnelAddress : besideAddress(tunnelAddress, { links, interfaces, attachments })
  if (address === undefined) return undefined
  return {
    name: host.name,
    role,
    address,
    tunnelAddress,
    host,
    uplink: interfaces.find(({ name }) => name === uplink),
    uplinks: interfaces.filter(({ name }) => name === uplink || (role === 'router' && name !== 'lo')),
    segment: segmentOf(links, address),
    bridge: interfaces.find(({ name }) => name === 'cni0'),
    vxlan: interfaces.find(({ kind }) => kind === 'vxlan'),
    isBridgeFiltered: bridgeFilters[family],
    attachments,
  }
}

const linkLocal = parseCidr('fe80::/10')
const isOf = (family: IpFamily, address: string): boolean =>
  ipFamily(parseIp(address)) === family && (family === 4 || !cidrContains(linkLocal, parseIp(address)))

/** The other family's address on the interface that has `address`, and not that by which Pods know the node: on a flat layer 2 one bridge has both. */
function besideAddress(
  address: string,
  { links, interfaces, attachments }: Pick<HostReading, 'links' | 'attachments'> & { readonly interfaces: readonly InterfaceFacts[] },
): string | undefined {
  const name = links.find(({ addr_info }) => addr_info.some(({ local }) => local === address))?.ifname
  const podRanges = attachments.flatMap(({ addresses }) => addresses.map(each => parseInterfaceAddress(each).cidr))
  const found = interfaces.find(each => each.name === name)?.addresses ?? []
  return found.find(each => !podRanges.some(range => cidrContains(range, parseIp(each))))
}
