/** The control plane of a lab: server.js --config FILE (JSON, see src/base/config/server-config.ts). */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pino } from 'pino'

import { ServerConfig } from '../src/base/config/server-config.js'
import { createApiServer } from '../src/control-plane/apiserver/api-server.js'
import { openLmdbStore } from '../src/control-plane/store/lmdb-store.js'

const { values: options } = parseArgs({ options: { config: { type: 'string' } } })
const config = ServerConfig.parse(JSON.parse(readFileSync(options.config ?? '/etc/podwire/server.json', 'utf8')))
const read = (file: string): string => readFileSync(file, 'utf8')

const log = pino({ name: 'server', level: config.logLevel })
const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort())

const store = openLmdbStore(join(config.dataDir, 'store'))
const api = await createApiServer({
  store,
  listen: config.listen,
  advertise: config.advertise,
  tls: { ca: read(config.tls.caFile), cert: read(config.tls.certFile), key: read(config.tls.keyFile) },
  serviceAccount: { issuer: config.serviceAccount.issuer, key: read(config.serviceAccount.keyFile) },
  serviceCidr: config.serviceCidr,
  nodePortRange: config.nodePortRange,
  log,
})
log.info({ addresses: api.addresses, revision: store.revision, startedInMs: Math.round(performance.now()) }, 'serving')

if (!stop.signal.aborted) await once(stop.signal, 'abort')
await api.close()
await store.close()
log.info('stopped')
