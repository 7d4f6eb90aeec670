import { basename } from 'node:path'

import { z } from 'zod'

import { PodwireError } from '../base/errors/podwire-error.js'

/** The versions of the specification whose results differ in form, oldest first. */
export const knownVersions = ['0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type KnownVersion = (typeof knownVersions)[number]

export const PluginConf = z.looseObject({
  type: z.string().min(1),
  ipam: z.looseObject({ type: z.string().optional(), dataDir: z.string().optional() }).optional(),
  stateDir: z.string().optional(),
  capabilities: z.record(z.string(), z.boolean()).optional(),
})
export type PluginConf = z.infer<typeof PluginConf>

const List = z.looseObject({ cniVersion: z.string(), name: z.string().min(1), plugins: z.array(PluginConf).min(1) })
const Single = PluginConf.extend({ cniVersion: z.string(), name: z.string().min(1) })

/** A network as a runtime reads it: one plugin or a chain of them. */
export interface NetworkList {
  readonly cniVersion: string
  readonly name: string
  readonly plugins: readonly [PluginConf, ...PluginConf[]]
}

/** The plugin under test, and the network that it is tested in. */
export interface Subject {
  /** The program. Its folder is where the other plugins of the network are looked for, before `path`. */
  readonly file: string
  readonly list: NetworkList
  /** Further folders with plugins. */
  readonly path?: readonly string[]
  /** What the program finds in its environment besides the variables of the specification. */
  readonly env?: Readonly<Record<string, string>>
}

/** The configuration that is for the plugin under test: the one of its name, else the first. */
export const ownConf = ({ file, list }: Subject): PluginConf => list.plugins.find(({ type }) => type === basename(file)) ?? list.plugins[0]

/** A configuration (`.conf`) or a list of them (`.conflist`). CONFIG_INVALID with every problem; `file` stands in it. */
export function parseNetworkList(text: string, file: string): NetworkList {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new PodwireError('CONFIG_INVALID', `${file} is not JSON: ${(error as Error).message}`)
  }
  const isList = typeof value === 'object' && value !== null && 'plugins' in value
  const result = isList ? List.safeParse(value) : Single.transform(asList).safeParse(value)
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => `  ${z.core.toDotPath(path) || 'file'}: ${message}`)
    throw new PodwireError('CONFIG_INVALID', `${file} is no network configuration:\n${problems.join('\n')}`, {
      hint: 'See examples/cni/bridge.conflist for a complete one.',
    })
  }
  const { cniVersion, name, plugins } = result.data
  const [first, ...others] = plugins
  if (first === undefined) throw new PodwireError('INTERNAL', 'an empty list of plugins passed its check')
  return { cniVersion, name, plugins: [first, ...others] }
}

function asList({ cniVersion, name, ...plugin }: z.infer<typeof Single>): z.infer<typeof List> {
  return { cniVersion, name, plugins: [plugin as PluginConf] }
}
