import { z } from 'zod'

const Cidr = z.union([z.cidrv4(), z.cidrv6()])

/** Where the server keeps the cluster's objects: below `dataDir`, or in an etcd that several servers may share. */
export const StoreConfig = z.discriminatedUnion('engine', [
  z.strictObject({ engine: z.literal('lmdb') }),
  z.strictObject({
    engine: z.literal('etcd'),
    /** `https://HOST:PORT` of each member; `http://` for one on this machine. */
    endpoints: z.array(z.url({ protocol: /^https?$/ })).min(1),
    tls: z.strictObject({ caFile: z.string(), certFile: z.string(), keyFile: z.string() }).optional(),
  }),
])
export type StoreConfig = z.infer<typeof StoreConfig>

/** What bin/server reads: one JSON file, named by `--config`. Written by whoever starts it (lab, a systemd unit). */
export const ServerConfig = z.strictObject({
  clusterName: z.string(),
  /** Sockets to serve the API on: already open (a descriptor handed over at start), or an address to listen on. */
  listen: z.array(z.union([z.strictObject({ fd: z.int() }), z.strictObject({ address: z.string(), port: z.int() })])).min(1),
  /** Where nodes reach this server; becomes the endpoint of the Service default/kubernetes. */
  advertise: z.strictObject({ address: z.string(), port: z.int() }),
  dataDir: z.string(),
  store: StoreConfig.default({ engine: 'lmdb' }),
  /** `caKeyFile` is the authority's own key (PKCS#8 PEM, P-256), by which approved certificate requests are signed; without it none are. */
  tls: z.strictObject({ caFile: z.string(), caKeyFile: z.string().optional(), certFile: z.string(), keyFile: z.string() }),
  /** What this server shows nodes when it fetches logs and opens streams. */
  nodeClient: z.strictObject({ certFile: z.string(), keyFile: z.string() }),
  /** Bearer tokens that are fixed: a file with `token,user,uid,"group1,group2"` a line. */
  tokenFile: z.string().optional(),
  /** Admission plugins that shall not run, by upstream's names. */
  disabledAdmissionPlugins: z.array(z.string()).optional(),
  /** PKCS#8 PEM of the P-256 key that signs ServiceAccount tokens (ES256). */
  serviceAccount: z.strictObject({ issuer: z.string(), keyFile: z.string() }),
  /** Kubeconfigs by which the controllers and the scheduler in this process reach the API. */
  controllersKubeconfig: z.string(),
  schedulerKubeconfig: z.string(),
  /** The ranges of Pods' addresses, one a family, and the prefix length of each node's share. */
  podCidrs: z.array(z.strictObject({ cidr: Cidr, nodeMask: z.int() })).min(1),
  /** Shares that the lab file fixes, by node name, as many as there are ranges; other nodes get the lowest free ones. */
  nodePodCidrs: z.record(z.string(), z.array(Cidr)),
  /** One range, or one of each address family; the first is the default. */
  serviceCidrs: z
    .array(z.union([z.cidrv4(), z.cidrv6()]))
    .min(1)
    .max(2),
  nodePortRange: z.strictObject({ from: z.int(), to: z.int() }),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']),
})
export type ServerConfig = z.infer<typeof ServerConfig>
