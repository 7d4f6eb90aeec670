import { join } from 'node:path'
import { z } from 'zod'
import { nodePaths } from '../base/config/agent-config.js'
import { Attachment } from '../base/config/attachment.js'
import { parseInterfaceAddress } from '../base/net/address.js'
import type { Host } from '../kernel/host.js'
import type { FlowHost, FlowLab } from './flow-lab.js'
import type { Prober } from './prober.js'

export interface InterfaceFacts {
  readonly name: string
  readonly mac: string
  /** Addresses without prefix length; the first is the one the kernel prefers as a source. */
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
  readonly host: Host
  readonly uplink: InterfaceFacts | undefined
  /** All its interfaces on the underlay: of the router one a segment. */
  readonly uplinks: readonly InterfaceFacts[]
  /** The range of the segment on which its address is. */
  readonly segment: string | undefined
  readonly bridge: InterfaceFacts | undefined
  readonly vxlan: InterfaceFacts | undefined
  /** net.bridge.bridge-nf-call-iptables. */
  readonly isBridgeFiltered: boolean
  readonly attachments: readonly Attachment[]
}

/** Everything about the lab that predictions rest on. */
export interface LabFacts {
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

/** Reads the facts of all hosts. `proberOf` gives the prober of a host, which can read its files. */
export async function readLabFacts(lab: FlowLab, proberOf: (host: FlowHost) => Prober, signal: AbortSignal): Promise<LabFacts> {
  const hosts = await Promise.all(
    lab.hosts.filter(({ role }) => role !== 'control-plane').map(host => readHostFacts(host, proberOf(host), signal)),
  )
  return {
    hosts: new Map(hosts.map(host => [host.name, host])),
    datapath: lab.lab.datapath,
    proxy: lab.lab.proxy,
    masqueradeAll: lab.lab.masqueradeAll ?? false,
  }
}

async function readHostFacts(
  { host, role, address, uplink, cniStateDir }: FlowHost,
  prober: Prober,
  signal: AbortSignal,
): Promise<HostFacts> {
  const dir = join(cniStateDir ?? nodePaths.cniStateDir, 'attachments')
  const [{ stdout }, bridgeFilter, { files = {} }] = await Promise.all([
    host.run(['ip', '-j', '-d', 'address'], { signal }),
    host.run(['cat', '/proc/sys/net/bridge/bridge-nf-call-iptables'], { signal, allowFailure: true }),
    prober.perform({ do: 'read', dir, suffix: '.json' }, signal),
  ])
  const links = Links.parse(JSON.parse(stdout))
  const interfaces = links.map(
    (link): InterfaceFacts => ({
      name: link.ifname,
      mac: link.address,
      addresses: link.addr_info.flatMap(({ local }) => (local === undefined ? [] : [local])),
      vni: link.linkinfo?.info_data?.id,
      kind: link.linkinfo?.info_kind,
      mtu: link.mtu,
    }),
  )
  return {
    name: host.name,
    role,
    address,
    host,
    uplink: interfaces.find(({ name }) => name === uplink),
    uplinks: interfaces.filter(({ name }) => name === uplink || (role === 'router' && name !== 'lo')),
    segment: segmentOf(links, address),
    bridge: interfaces.find(({ name }) => name === 'cni0'),
    vxlan: interfaces.find(({ kind }) => kind === 'vxlan'),
    isBridgeFiltered: bridgeFilter.stdout.trim() === '1',
    attachments: Object.values(files).map(text => Attachment.parse(JSON.parse(text))),
  }
}
