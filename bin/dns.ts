/** The cluster's name server, as it runs in its Pod: dns.js --zone cluster.local [--address ::] [--port 53], or by a Corefile: dns.js --conf FILE [--kubeconfig FILE]. */
import { existsSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { pino } from 'pino'

import { endpointslices, services } from '../src/api/generated/resources.js'
import { createClient } from '../src/client/http-client.js'
import { createInformer } from '../src/client/http-informer.js'
import { inClusterConfig, loadKubeconfig } from '../src/client/kubeconfig.js'
import { buildServers, type DnsServers } from '../src/dns/build-servers.js'
import { createDnsMetrics } from '../src/dns/dns-metrics.js'
import { errorsPlugin } from '../src/dns/errors-plugin.js'
import { kubernetesPlugin } from '../src/dns/kubernetes-plugin.js'
import { chain, type Query, type Reply, refuse } from '../src/dns/resolve.js'
import { runServers } from '../src/dns/run-servers.js'
import { indexZone } from '../src/dns/zone-index.js'

const { values: options } = parseArgs({
  options: {
    zone: { type: 'string', default: 'cluster.local' },
    address: { type: 'string', default: existsSync('/proc/net/if_inet6') ? '::' : '0.0.0.0' },
    port: { type: 'string', default: '53' },
    'ready-port': { type: 'string', default: '8181' },
    'health-port': { type: 'string', default: '8080' },
    ttl: { type: 'string', default: '5' },
    conf: { type: 'string' },
    kubeconfig: { type: 'string' },
  },
})

const log = pino({ name: 'dns' })
const stop = new AbortController()
const onError = (error: unknown): void => log.error(error)
const onFatal = (error: unknown): void => {
  log.fatal(error)
  process.exitCode = 1
  stop.abort()
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort())

const client = createClient(options.kubeconfig === undefined ? inClusterConfig() : loadKubeconfig(options.kubeconfig))
const serviceInformer = createInformer(client, services, { onError })
const sliceInformer = createInformer(client, endpointslices, { onError })
const isReady = (): boolean => serviceInformer.isSynced && sliceInformer.isSynced

const index = indexZone(serviceInformer, sliceInformer)
const metrics = createDnsMetrics()
const onReply = ({ name, type, transport, client }: Query, { rcode }: Reply, tookMs: number): void =>
  log.info({ name, type, transport, client, rcode, tookMs })

/** Without a Corefile: the cluster's zone alone. */
function plainServers(): DnsServers {
  const kubernetes = kubernetesPlugin({ zone: options.zone.toLowerCase(), index, isReady, ttlSeconds: Number(options.ttl) })
  return {
    servers: [{ port: Number(options.port), resolve: chain([errorsPlugin(onError), kubernetes], refuse) }],
    health: { port: Number(options['health-port']), lameduckMs: 0 },
    readyPort: Number(options['ready-port']),
    metricsPort: undefined,
    reloadMs: undefined,
  }
}

const { conf } = options
const ended = new AbortController()
const following = [serviceInformer.run(ended.signal), sliceInformer.run(ended.signal)]
await runServers(
  {
    version: () => (conf === undefined ? '' : readFileSync(conf, 'utf8')),
    build: signal =>
      conf === undefined ? plainServers() : buildServers(conf, { index, isReady, metrics, onError, onFatal, onReply }, signal),
    address: options.address,
    isReady,
    metrics,
    onError,
    onServing: ports => log.info({ ports }, 'serving'),
  },
  stop.signal,
).finally(() => ended.abort())
await Promise.all(following)
client.close()
