import { join } from 'node:path'

import { PodwireError } from '../base/errors/podwire-error.js'
import { LabName } from './lab-shape.js'

/** Below it each lab has a folder with its certificates, its server's data, its logs and its hosts' files. */
const labsDir = '/var/lib/podwire/labs'

/** What is made once and used by every lab: images, template of containerd's data. Removing it costs time, nothing else. */
export const cacheDir = '/var/cache/podwire'

/** Where a lab keeps what on this machine. */
export interface LabPaths {
  readonly dir: string
  /** The lab's specification as it was brought up. */
  readonly spec: string
  /** Which process brings, or brought, the lab up. */
  readonly claim: string
  readonly pki: string
  readonly serverData: string
  readonly serverConfig: string
  readonly serverLog: string
  /** The admin's kubeconfig, with the API's address on 127.0.0.1. */
  readonly kubeconfig: string
  /** What a host sees at `path` is here on this machine, for the paths in `privateFolders`. */
  onHost(host: string, path: string): string
}

/** Errors: CONFIG_INVALID for a name that no lab can have, so that no path leads elsewhere. */
export function labPaths(lab: string): LabPaths {
  if (!LabName.safeParse(lab).success) {
    throw new PodwireError('CONFIG_INVALID', `${JSON.stringify(lab)} is no name for a lab: use 1 to 12 of a-z, 0-9 and "-"`)
  }
  const dir = join(labsDir, lab)
  return {
    dir,
    spec: `${dir}/lab.json`,
    claim: `${dir}/claim.json`,
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
