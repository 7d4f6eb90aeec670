import { z } from 'zod'

import { datapathKinds, nodePaths } from '../base/config/agent-config.js'
import { type Cidr, parseCidr } from '../base/net/address.js'
import { cniError, cniErrorCodes } from './cni-error.js'

/** The keys that every plugin gets. Keys of others must be let through, so the objects are loose. */
export const NetConf = z.looseObject({
  cniVersion: z.string().optional(),
  name: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, 'begin with a letter or digit; then also "_", "." and "-"'),
  type: z.string().min(1),
  prevResult: z.unknown().optional(),
  'cni.dev/valid-attachments': z.array(z.looseObject({ containerID: z.string(), ifname: z.string() })).optional(),
})
export type NetConf = z.infer<typeof NetConf>

const Range = z.string().transform((text, context): Cidr => {
  try {
    return parseCidr(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
    return z.NEVER
  }
})

/** The configuration of type `podwire`: all that a Pod's interface needs, so that the plugin works without the agent too. */
export const PodNetConf = NetConf.extend({
  datapath: z.enum(datapathKinds),
  /** The bridge whose ports the Pods are. */
  bridge: z.string().min(1).max(15),
  mtu: z.int().min(576).max(65535),
  /** One address of each range goes to every Pod; the first address of a range is the gateway. */
  ranges: z.array(Range).min(1),
  stateDir: z.string().startsWith('/').default(nodePaths.cniStateDir),
})
export type PodNetConf = z.infer<typeof PodNetConf>

/** Standard input as JSON. */
export function parseConfText(text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw cniError(cniErrorCodes.undecodable, `the network configuration is not JSON: ${(error as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw cniError(cniErrorCodes.undecodable, 'the network configuration is not a JSON object')
  }
  return value as Record<string, unknown>
}

/** Checks a configuration against `schema`; all problems come in one error. */
export function parseConf<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues.map(({ path, message }) => `${z.core.toDotPath(path) || 'configuration'}: ${message}`)
  throw cniError(cniErrorCodes.badConfig, `invalid network configuration: ${problems.join('; ')}`)
}
