import { join } from 'node:path'

/** Below it each lab has a folder with its certificates, its server's data, its logs and its hosts' files. */
const labsDir = '/var/lib/podwire/labs'

/** What is made once and used by every lab: images, template of containerd's data. Removing it costs time, nothing else. */
export const cacheDir = '/var/cache/podwire'

/** Where a lab keeps what on this machine. */
export interface LabPaths {
  readonly dir: string
  /** The lab's specification as it was brought up. */
  readonly spec: string
  readonly pki: string
  readonly serverData: string
  readonly serverConfig: string
  readonly serverLog: string
  /** The admin's kubeconfig, with the API's address on 127.0.0.1. */
  readonly kubeconfig: string
  /** What a host sees at `path` is here on this machine, for the paths in `privateFolders`. */
  onHost(host: string, path: string): string
}

export function labPaths(lab: string): LabPaths {
  const dir = join(labsDir, lab)
  return {
    dir,
    spec: `${dir}/lab.json`,
    pki: `${dir}/pki`,
    serverData: `${dir}/server`,
    serverConfig: `${dir}/server.json`,
    serverLog: `${dir}/server.log`,
    kubeconfig: `${dir}/kubeconfig`,
    onHost: (host, path) => join(dir, 'hosts', host, path),
  }
}

/** The folders of a node that are its own and real (overlayfs can neither be mounted nor exported from an overlay). */
export const privateFolders = [
  '/var/lib/containerd',
  '/var/lib/cni',
  '/var/lib/kubelet',
  '/var/log/pods',
  '/var/log/podwire',
  '/etc/cni',
  '/etc/containerd',
  '/etc/podwire',
  '/opt/cni',
] as const
