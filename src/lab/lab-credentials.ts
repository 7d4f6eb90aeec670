import { mkdirSync, writeFileSync } from 'node:fs'

import { nodePaths } from '../base/config/agent-config.js'
import { apiPort, clusterDomain, kubernetesAddress } from './cluster-addresses.js'
import { planHosts } from './host-plan.js'
import { kubeconfigText } from './kubeconfig-file.js'
import { labPaths } from './lab-paths.js'
import type { LabSpec } from './lab-spec.js'
import {
  adminIdentity,
  controllersIdentity,
  createPki,
  type Identity,
  nodeIdentity,
  type Pki,
  schedulerIdentity,
  serverIdentity,
} from './pki.js'

/** Files of the control plane in the lab's `pki` folder. */
export const pkiFiles = {
  ca: 'ca.crt',
  caKey: 'ca.key',
  serverCert: 'server.crt',
  serverKey: 'server.key',
  serviceAccountKey: 'service-account.key',
  nodeClientCert: 'node-client.crt',
  nodeClientKey: 'node-client.key',
  controllers: 'controllers.kubeconfig',
  scheduler: 'scheduler.kubeconfig',
} as const

/** Where a node's agent finds its kubeconfig. */
export const agentKubeconfig = nodePaths.agentConfig.replace(/[^/]+$/, 'kubeconfig')

/** What a node's agent shows the API server, and the authority that it knows it by. */
export const nodeServingFiles = {
  ca: agentKubeconfig.replace(/[^/]+$/, 'ca.crt'),
  cert: agentKubeconfig.replace(/[^/]+$/, 'serving.crt'),
  key: agentKubeconfig.replace(/[^/]+$/, 'serving.key'),
} as const

/** Makes the keys of a lab and writes them: the server's into the `pki` folder, each node's into its /etc/podwire. */
export async function writeCredentials(spec: LabSpec): Promise<Pki> {
  const paths = labPaths(spec.name)
  const address = controlPlaneAddress(spec)
  const pki = await createPki({
    labName: spec.name,
    serverNames: {
      dns: ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc', `kubernetes.default.svc.${clusterDomain}`],
      ip: ['127.0.0.1', address, kubernetesAddress(spec)],
    },
    identities: [
      adminIdentity,
      controllersIdentity,
      schedulerIdentity,
      serverIdentity,
      ...spec.nodes.map(({ name }) => nodeIdentity(name)),
    ],
    nodes: planHosts(spec).filter(({ role }) => role === 'node'),
  })
  mkdirSync(paths.pki, { recursive: true, mode: 0o700 })
  const inside = (identity: Identity) => kubeconfigFor(spec, pki, identity, `https://${address}:${apiPort}`)
  writeSecret(`${paths.pki}/${pkiFiles.ca}`, pki.ca)
  writeSecret(`${paths.pki}/${pkiFiles.caKey}`, pki.caKey)
  writeSecret(`${paths.pki}/${pkiFiles.serverCert}`, pki.server.cert)
  writeSecret(`${paths.pki}/${pkiFiles.serverKey}`, pki.server.key)
  writeSecret(`${paths.pki}/${pkiFiles.serviceAccountKey}`, pki.serviceAccountKey)
  const nodeClient = pki.clients.get(serverIdentity.user)!
  writeSecret(`${paths.pki}/${pkiFiles.nodeClientCert}`, nodeClient.cert)
  writeSecret(`${paths.pki}/${pkiFiles.nodeClientKey}`, nodeClient.key)
  writeSecret(`${paths.pki}/${pkiFiles.controllers}`, inside(controllersIdentity))
  writeSecret(`${paths.pki}/${pkiFiles.scheduler}`, inside(schedulerIdentity))
  for (const { name } of spec.nodes) {
    const file = paths.onHost(name, agentKubeconfig)
    mkdirSync(paths.onHost(name, '/etc/podwire'), { recursive: true })
    writeSecret(file, inside(nodeIdentity(name)))
    const serving = pki.nodeServers.get(name)!
    writeSecret(paths.onHost(name, nodeServingFiles.ca), pki.ca)
    writeSecret(paths.onHost(name, nodeServingFiles.cert), serving.cert)
    writeSecret(paths.onHost(name, nodeServingFiles.key), serving.key)
  }
  return pki
}

/** The administrator's kubeconfig, which reaches the API at `port` of this machine's 127.0.0.1. */
export function writeAdminKubeconfig(spec: LabSpec, pki: Pki, port: number): void {
  writeSecret(labPaths(spec.name).kubeconfig, kubeconfigFor(spec, pki, adminIdentity, `https://127.0.0.1:${port}`))
}

export const controlPlaneAddress = (spec: LabSpec) => planHosts(spec).find(({ role }) => role === 'control-plane')!.address

function kubeconfigFor(spec: LabSpec, pki: Pki, { user }: Identity, server: string): string {
  return kubeconfigText({ name: `podwire-${spec.name}`, user, server, ca: pki.ca, credentials: pki.clients.get(user)! })
}

const writeSecret = (file: string, text: string): void => writeFileSync(file, text, { mode: 0o600 })
