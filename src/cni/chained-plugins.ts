import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

import type { Host } from '../kernel/host.js'
import { supportedVersions } from './cni-version.js'

/** A plugin of others that runs behind ours for every Pod. */
export interface ChainedPlugin {
  readonly file: string
  /** The versions of CNI that it speaks. */
  readonly versions: readonly string[]
  /** Its place in the list of the network. */
  readonly conf: { readonly type: string } & Readonly<Record<string, unknown>>
}

/** hostPort, and the annotations kubernetes.io/ingress-bandwidth and egress-bandwidth: the runtime hands over what Pods ask for. */
const wanted: readonly ChainedPlugin['conf'][] = [
  { type: 'portmap', snat: true, capabilities: { portMappings: true } },
  { type: 'bandwidth', capabilities: { bandwidth: true } },
]

const Versions = z.looseObject({ supportedVersions: z.array(z.string()) })

/** The plugins of `dir` that our network can do with; one that is not installed or does not answer is left out. */
export async function findChainedPlugins(dir: string, run: Host['run'], signal: AbortSignal): Promise<readonly ChainedPlugin[]> {
  const found = await Promise.all(
    wanted.map(async (conf): Promise<readonly ChainedPlugin[]> => {
      const file = join(dir, conf.type)
      if (!existsSync(file)) return []
      const env = { CNI_COMMAND: 'VERSION' }
      const { stdout } = await run([file], { input: '{"cniVersion":"1.0.0"}', env, allowFailure: true, signal })
      const versions = parseVersions(stdout)
      return versions === undefined ? [] : [{ file, versions, conf }]
    }),
  )
  return found.flat()
}

/** The versions in which a runtime can speak to ours and to all of these: of one list only one is spoken. */
export const commonVersions = (chained: readonly ChainedPlugin[]): readonly string[] =>
  supportedVersions.filter(version => chained.every(({ versions }) => versions.includes(version)))

function parseVersions(stdout: string): readonly string[] | undefined {
  try {
    return Versions.parse(JSON.parse(stdout)).supportedVersions
  } catch {
    return undefined
  }
}
