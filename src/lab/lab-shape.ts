import { z } from 'zod'

import { datapathKinds, policyModes } from '../base/config/agent-config.js'
import { parseInterfaceAddress } from '../base/net/address.js'
import { controlPlaneName, mainSegment, routerName, underlayName } from './host-names.js'

export const LabName = z
  .string()
  .regex(
    /^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/,
    'use 1 to 12 of a-z, 0-9 and "-", beginning with a letter: it becomes part of names in the kernel',
  )

const HostName = z
  .string()
  .regex(
    /^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$/,
    'use 1 to 15 of a-z, 0-9 and "-", beginning with a letter: it becomes the name of a network interface',
  )
  .refine(
    name => ![controlPlaneName, routerName, underlayName].includes(name),
    `"${controlPlaneName}", "${routerName}" and "${underlayName}" are names of the lab's own`,
  )

const SegmentName = z
  .string()
  .regex(
    /^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$/,
    'use 1 to 15 of a-z, 0-9 and "-", beginning with a letter: it is the name of a network segment',
  )
const InSegment = SegmentName.default(mainSegment).describe(`The segment of the underlay it stands on; without one it is "${mainSegment}"`)

const Cidr = z.cidrv4('use an IPv4 range such as 10.244.0.0/16').refine(isRange, {
  error: issue => `${issue.input} has bits set after its prefix: write the first address of the range`,
})

/** Text that is no address with a prefix at all is refused by the check before. */
function isRange(text: string): boolean {
  try {
    const { ip, prefix, cidr } = parseInterfaceAddress(text)
    return `${ip}/${prefix}` === cidr
  } catch {
    return true
  }
}

const labelName = /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/
const labelValue = /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/
const Labels = z.record(
  z.string().regex(labelName, 'a label is a name of at most 63 of A-Z, a-z, 0-9, "-", "_" and ".", perhaps after "domain/"'),
  z.string('quote the value: labels are strings').regex(labelValue, 'use at most 63 of A-Z, a-z, 0-9, "-", "_" and "."'),
)

const Mtu = z.int().min(1330, 'Pods get 50 bytes less, and IPv6 needs 1280').max(65_535)

const Node = z.strictObject({ name: HostName, labels: Labels.default({}), segment: InSegment })

const Nodes = z
  .union(
    [
      z
        .int()
        .min(1)
        .max(90)
        .transform(count =>
          Array.from({ length: count }, (_, i): z.infer<typeof Node> => ({ name: `node-${i + 1}`, labels: {}, segment: mainSegment })),
        ),
      z.array(Node).min(1, 'list at least one node').max(90, 'at most 90 nodes have an address'),
    ],
    'say how many nodes (1 to 90), or list them: [{name: node-1}]',
  )
  .describe('How many nodes, named node-1, node-2 and so on, or a list of them')

/** What a lab.yaml may say, each part by itself; `LabSpec` also holds the parts against each other. */
export const LabShape = z.strictObject({
  name: LabName.default('podwire').describe('Names the lab, its kubeconfig context (podwire-NAME) and what is its own in the kernel'),
  nodes: Nodes.prefault(3),
  externals: z
    .array(z.strictObject({ name: HostName, segment: InSegment }))
    .max(100, 'at most 100 externals have an address')
    .default([{ name: 'ext1', segment: mainSegment }])
    .describe('Hosts on the underlay that are no part of the cluster'),
  underlay: z
    .strictObject({
      subnet: Cidr.default('172.30.0.0/24'),
      mtu: Mtu.default(1500).describe('Largest packet in bytes'),
      segments: z
        .array(z.strictObject({ name: SegmentName, subnet: Cidr, mtu: Mtu.default(1500) }))
        .max(8, 'at most eight further segments')
        .default([])
        .describe(`Further segments beside "${mainSegment}", which subnet and mtu describe; a host named ${routerName} joins them all`),
    })
    .prefault({})
    .describe('The network between the hosts'),
  pods: z
    .strictObject({
      cidr: Cidr.default('10.244.0.0/16'),
      nodeMask: z.int().min(8).max(29).default(24).describe("Prefix length of each node's part"),
    })
    .prefault({}),
  services: z.strictObject({ cidr: Cidr.default('10.96.0.0/16') }).prefault({}),
  api: z
    .strictObject({ port: z.int().min(0).max(65_535).default(0).describe('The port of the API on 127.0.0.1; 0 takes a free one') })
    .prefault({}),
  ipFamily: z.enum(['ipv4', 'dual']).default('ipv4').describe('Whether hosts, Pods and Services have an IPv6 address beside the IPv4 one'),
  datapath: z.enum(datapathKinds).default('vxlan').describe('How packets go from node to node'),
  proxy: z.enum(['iptables', 'ipvs', 'nftables']).default('iptables').describe('What puts Services into the kernel'),
  netpol: z.enum(policyModes).default('nftables').describe('What enforces network policies'),
})
export type LabShape = z.infer<typeof LabShape>
