/**
 * The control plane of a lab: server.js --config FILE (JSON, see src/base/config/server-config.ts).
 *
 * `--store https://HOST:2379[,…]` keeps the objects in etcd instead of what the file says, with the client certificate of
 * `--store-ca`, `--store-cert` and `--store-key`. Several servers may share one etcd.
 */
import { once, setMaxListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pino } from 'pino'

import { ServerConfig, StoreConfig } from '../src/base/config/server-config.js'
import { createClient } from '../src/client/http-client.js'
import { loadKubeconfig } from '../src/client/kubeconfig.js'
import { createApiServer } from '../src/control-plane/apiserver/api-server.js'
import { startControllers } from '../src/control-plane/controllers/start-controllers.js'
import { runScheduler } from '../src/control-plane/scheduler/scheduler.js'
import { openEtcdStore } from '../src/control-plane/store/etcd-store.js'
import { openLmdbStore } from '../src/control-plane/store/lmdb-store.js'
import type { Store } from '../src/control-plane/store/store.js'

const { values: options } = parseArgs({
  options: {
    config: { type: 'string' },
    store: { type: 'string' },
    'store-ca': { type: 'string' },
    'store-cert': { type: 'string' },
    'store-key': { type: 'string' },
  },
})
const config = ServerConfig.parse(JSON.parse(readFileSync(options.config ?? '/etc/podwire/server.json', 'utf8')))
const read = (file: string): string => readFileSync(file, 'utf8')

const log = pino({ name: 'server', level: config.logLevel })
const stop = new AbortController()
setMaxListeners(0, stop.signal) // Every controller and informer listens.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort())

const storeFiles = { caFile: options['store-ca'], certFile: options['store-cert'], keyFile: options['store-key'] }
const storeConfig =
  options.store === undefined
    ? config.store
    : StoreConfig.parse({
        engine: 'etcd',
        endpoints: options.store.split(','),
        ...(storeFiles.caFile !== undefined && { tls: storeFiles }),
      })
const store = await openStore(storeConfig)
/** Parts that do not run yet; the process ends when one of them does. */
const waiting = new Set(['scheduler', 'controller-manager'])
const stateOf = (part: string) => () => (waiting.has(part) ? 'not started' : undefined)
const api = await createApiServer({
  store,
  listen: config.listen,
  advertise: config.advertise,
  tls: { ca: read(config.tls.caFile), cert: read(config.tls.certFile), key: read(config.tls.keyFile) },
  nodeClient: { cert: read(config.nodeClient.certFile), key: read(config.nodeClient.keyFile) },
  tokenFile: config.tokenFile === undefined ? undefined : read(config.tokenFile),
  disabledAdmissionPlugins: config.disabledAdmissionPlugins,
  serviceAccount: { issuer: config.serviceAccount.issuer, key: read(config.serviceAccount.keyFile) },
  serviceCidrs: config.serviceCidrs,
  nodePortRange: config.nodePortRange,
  components: Object.fromEntries([...waiting].map(part => [part, stateOf(part)])),
  log,
})
log.info(
  { store: storeConfig.engine, addresses: api.addresses, revision: store.revision, startedInMs: Math.round(performance.now()) },
  'serving',
)

const controllersClient = createClient(loadKubeconfig(config.controllersKubeconfig))
const schedulerClient = createClient(loadKubeconfig(config.schedulerKubeconfig))
const onError = (error: unknown, key?: string): void => log.warn({ err: error, key }, 'scheduler')
const running = [
  startControllers({ client: controllersClient, config, signal: stop.signal, log }),
  runScheduler({ client: schedulerClient, onError }, stop.signal),
]
waiting.clear()
if (!stop.signal.aborted) await Promise.race([once(stop.signal, 'abort'), ...running])

stop.abort()
await Promise.all(running)
controllersClient.close()
schedulerClient.close()
await api.close()
await store.close()
log.info('stopped')

async function openStore(wanted: StoreConfig): Promise<Store> {
  if (wanted.engine === 'lmdb') return openLmdbStore(join(config.dataDir, 'store'))
  const { endpoints, tls } = wanted
  return openEtcdStore({
    endpoints,
    ...(tls && { tls: { ca: read(tls.caFile), cert: read(tls.certFile), key: read(tls.keyFile) } }),
  })
}
