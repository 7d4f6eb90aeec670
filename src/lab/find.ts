import { existsSync, readFileSync } from 'node:fs'

import { findMarked } from '../kernel/namespace-host.js'
import type { Lab } from './lab.js'
import { labPaths } from './lab-paths.js'
import { LabSpec } from './lab-spec.js'
import { netnsSubstrate } from './netns-substrate.js'

/** The lab of that name if its hosts run, also while it is being brought up. */
export async function findLab(name: string): Promise<Lab | undefined> {
  const { spec, kubeconfig } = labPaths(name)
  const hosts = await netnsSubstrate.find(name)
  if (hosts.length === 0 || !existsSync(spec)) return undefined
  return { spec: LabSpec.parse(JSON.parse(readFileSync(spec, 'utf8'))), hosts, kubeconfig }
}

/** The names of all labs on this machine, sorted. */
export function listLabs(): readonly string[] {
  return [...new Set(findMarked().map(({ mark }) => mark.lab))].sort()
}
