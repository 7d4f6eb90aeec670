import { z } from 'zod'

/** One lab as its lab.yaml says it, defaults filled in. */
export const LabSpec = z.strictObject({
  /** At most 12 characters: it becomes part of names in the kernel. */
  name: z.string().default('podwire'),
  nodes: z.array(z.strictObject({ name: z.string(), labels: z.record(z.string(), z.string()).default({}) })),
  /** Hosts on the underlay that are no part of the cluster. */
  externals: z.array(z.strictObject({ name: z.string() })),
  underlay: z.strictObject({ subnet: z.cidrv4(), mtu: z.int() }),
  pods: z.strictObject({ cidr: z.cidrv4(), nodeMask: z.int() }),
  services: z.strictObject({ cidr: z.cidrv4() }),
  /** The port of the API on 127.0.0.1; 0 takes a free one. */
  api: z.strictObject({ port: z.int() }),
  datapath: z.enum(['vxlan']),
  proxy: z.enum(['iptables']),
})
export type LabSpec = z.infer<typeof LabSpec>
