/** The cluster's name server, as it runs in its Pod: dns.js --zone cluster.local [--address 0.0.0.0] [--port 53], or by a Corefile: dns.js --conf FILE [--kubeconfig FILE]. */
import { parseArgs } from 'node:util'
import { pino } from 'pino'

import { endpointslices, services } from '../src/api/generated/resources.js'
import { createClient } from '../src/client/http-client.js'
import { createInformer } from '../src/client/http-informer.js'
import { inClusterConfig, loadKubeconfig } from '../src/client/kubeconfig.js'
import { buildServers } from '../src/dns/build-servers.js'
import { errorsPlugin } from '../src/dns/errors-plugin.js'
import { kubernetesPlugin } from '../src/dns/kubernetes-plugin.js'
import { chain, type Query, type Reply, refuse } from '../src/dns/resolve.js'
import { serveDns } from '../src/dns/serve-dns.js'
import { serveHealth } from '../src/dns/serve-health.js'
import { indexZone } from '../src/dns/zone-index.js'

const { values: options } = parseArgs({
  options: {
    zone: { type: 'string', default: 'cluster.local' },
    address: { type: 'string', default: '0.0.0.0' },
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
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort())

const client = createClient(options.kubeconfig === undefined ? inClusterConfig() : loadKubeconfig(options.kubeconfig))
const serviceInformer = createInformer(client, services, { onError })
const sliceInformer = createInformer(client, endpointslices, { onError })
const isReady = (): boolean => serviceInformer.isSynced && sliceInformer.isSynced

const index = indexZone(serviceInformer, sliceInformer)
const onReply = ({ name, type, transport }: Query, { rcode }: Reply, tookMs: number): void =>
  log.info({ name, type, transport, rcode, tookMs })
const { servers, healthPort, readyPort } =
  options.conf === undefined
    ? {
        servers: [
          {
            port: Number(options.port),
            resolve: chain(
              [
                errorsPlugin(onError),
                kubernetesPlugin({ zone: options.zone.toLowerCase(), index, isReady, ttlSeconds: Number(options.ttl) }),
              ],
              refuse,
            ),
          },
        ],
        healthPort: Number(options['health-port']),
        readyPort: Number(options['ready-port']),
      }
    : buildServers(options.conf, { index, isReady, onError, onReply }, stop.signal)

const running = [serviceInformer.run(stop.signal), sliceInformer.run(stop.signal)]
if (healthPort !== undefined) await serveHealth({ port: healthPort, path: '/health', isGood: () => true }, stop.signal)
if (readyPort !== undefined) await serveHealth({ port: readyPort, path: '/ready', isGood: isReady }, stop.signal)
const ports = await Promise.all(servers.map(server => serveDns({ address: options.address, ...server, onError }, stop.signal)))
log.info({ ports }, 'serving')
await Promise.all(running)
client.close()
