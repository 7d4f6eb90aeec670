import { mkdirSync, writeFileSync } from 'node:fs'

import type { ServerConfig } from '../base/config/server-config.js'
import { builtProgram } from '../kernel/built-program.js'
import type { Host, StartedProcess } from '../kernel/host.js'
import { apiPort, clusterDomain } from './cluster-addresses.js'
import { nodePodCidrs, podRanges, serviceRanges } from './host-plan.js'
import { controlPlaneAddress, pkiFiles } from './lab-credentials.js'
import { labPaths } from './lab-paths.js'
import type { LabSpec } from './lab-spec.js'

/** A process finds the first descriptor that it was handed at this number. */
const handedFd = 3

/** What the lab's server is told. */
export function serverConfig(spec: LabSpec): ServerConfig {
  const { pki, serverData } = labPaths(spec.name)
  const address = controlPlaneAddress(spec)
  return {
    clusterName: spec.name,
    listen: [{ fd: handedFd }, { address, port: apiPort }],
    advertise: { address, port: apiPort },
    dataDir: serverData,
    store: { engine: 'lmdb' },
    tls: {
      caFile: `${pki}/${pkiFiles.ca}`,
      caKeyFile: `${pki}/${pkiFiles.caKey}`,
      certFile: `${pki}/${pkiFiles.serverCert}`,
      keyFile: `${pki}/${pkiFiles.serverKey}`,
    },
    serviceAccount: { issuer: `https://kubernetes.default.svc.${clusterDomain}`, keyFile: `${pki}/${pkiFiles.serviceAccountKey}` },
    nodeClient: { certFile: `${pki}/${pkiFiles.nodeClientCert}`, keyFile: `${pki}/${pkiFiles.nodeClientKey}` },
    controllersKubeconfig: `${pki}/${pkiFiles.controllers}`,
    schedulerKubeconfig: `${pki}/${pkiFiles.scheduler}`,
    podCidrs: [...podRanges(spec)],
    nodePodCidrs: Object.fromEntries(Object.entries(nodePodCidrs(spec)).map(([name, ranges]) => [name, [...ranges]])),
    serviceCidrs: [...serviceRanges(spec)],
    nodePortRange: { from: 30_000, to: 32_767 },
    logLevel: 'info',
  }
}

/** Starts the server on the control plane's host with `socketFd` as its socket on this machine's 127.0.0.1. It outlives this process. */
export function startServer(spec: LabSpec, host: Host, socketFd: number): StartedProcess {
  const paths = labPaths(spec.name)
  mkdirSync(paths.serverData, { recursive: true, mode: 0o700 })
  writeFileSync(paths.serverConfig, JSON.stringify(serverConfig(spec), undefined, 2))
  return host.start([process.execPath, builtProgram('server.js'), '--config', paths.serverConfig], {
    logFile: paths.serverLog,
    fds: [socketFd],
    detached: true,
  })
}
