import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { stringify } from 'yaml'

import { type ApiServer, type ApiServerOptions, createApiServer } from '../../src/control-plane/apiserver/api-server.js'
import { openLmdbStore } from '../../src/control-plane/store/lmdb-store.js'
import type { Store } from '../../src/control-plane/store/store.js'
import { createTestPki, type TestIdentity, type TestPki } from './test-pki.js'

/** A real API server in this process, on a free port of 127.0.0.1, over a store in a directory of its own. */
export interface TestApiServer {
  /** `https://127.0.0.1:PORT` */
  readonly url: string
  readonly pki: TestPki
  readonly admin: TestIdentity
  /** A kubeconfig file of the administrator. */
  readonly kubeconfig: string
  readonly store: Store
  readonly server: ApiServer
  /** Writes a kubeconfig file for another identity. */
  kubeconfigFor(name: string, groups?: readonly string[]): Promise<string>
  /** Stops the server, and starts another one over what it has stored, on the same port. */
  restart(): Promise<void>
}

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: console.error }

/** Runs `use` with a server, and leaves nothing behind. */
export async function withApiServer(
  t: Test,
  use: (api: TestApiServer) => Promise<void>,
  options: Partial<ApiServerOptions> = {},
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'podwire-api-'))
  const pki = await createTestPki()
  const nodeClient = await pki.client('kube-apiserver')
  const admin = await pki.client('kubernetes-admin', ['system:masters'])
  let store = openLmdbStore(join(directory, 'store'))

  const start = (port: number): Promise<ApiServer> =>
    createApiServer({
      store,
      listen: [{ address: '127.0.0.1', port }],
      advertise: { address: '172.30.0.2', port: 6443 },
      tls: { ca: pki.ca, ...pki.server },
      nodeClient,
      serviceAccount: { issuer: 'https://kubernetes.default.svc.cluster.local', key: pki.tokenKey },
      serviceCidrs: ['10.96.0.0/16'],
      nodePortRange: { from: 30000, to: 32767 },
      // Nothing makes the accounts of namespaces here; tests of that plugin switch it on.
      disabledAdmissionPlugins: ['ServiceAccount'],
      log: quiet,
      ...options,
    })
  let server = await start(0)
  const { port } = server.addresses[0]!
  const url = `https://127.0.0.1:${port}`
  const writeKubeconfig = (name: string, identity: TestIdentity): string => {
    const file = join(directory, `${name.replace(/[^\w-]/g, '_')}.kubeconfig`)
    writeFileSync(file, kubeconfigText(url, pki.ca, identity))
    return file
  }

  try {
    await use({
      url,
      pki,
      admin,
      kubeconfig: writeKubeconfig('admin', admin),
      get store() {
        return store
      },
      get server() {
        return server
      },
      kubeconfigFor: async (name, groups = []) => writeKubeconfig(name, await pki.client(name, groups)),
      async restart() {
        await server.close()
        await store.close()
        store = openLmdbStore(join(directory, 'store'))
        server = await start(port)
      },
    })
  } catch (error) {
    t.error(error, 'the test ran to its end')
  } finally {
    await server.close()
    await store.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

const kubeconfigText = (url: string, ca: string, { cert, key }: TestIdentity): string =>
  stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server: url, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: 'test', user: { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
  })
