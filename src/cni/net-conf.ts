import { join } from 'node:path'
import { z } from 'zod'

import { datapathKinds, nodePaths } from '../base/config/agent-config.js'
import { parseInterfaceAddress, parseIp } from '../base/net/address.js'
import { RangeSetText } from './address-range.js'
import { cniError, cniErrorCodes } from './cni-error.js'

const ValidAttachments = z.array(z.looseObject({ containerID: z.string(), ifname: z.string() }))

const Dns = z.looseObject({
  nameservers: z.array(z.string()).optional(),
  domain: z.string().optional(),
  search: z.array(z.string()).optional(),
  options: z.array(z.string()).optional(),
})

/** The keys that every plugin gets. Keys of others must be let through, so the objects are loose. */
export const NetConf = z.looseObject({
  cniVersion: z.string().optional(),
  name: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, 'begin with a letter or digit; then also "_", "." and "-"'),
  type: z.string().min(1),
  prevResult: z.unknown().optional(),
  'cni.dev/valid-attachments': ValidAttachments.optional(),
  /** The name by which libcni gave them before 1.1.0 was final, and still does beside the other. */
  'cni.dev/attachments': ValidAttachments.optional(),
})
export type NetConf = z.infer<typeof NetConf>

/** An address that a runtime asks for: with or without a prefix length, which the range says anyway. */
export const RequestedIp = z.string().transform((text, context) => {
  try {
    return text.includes('/') ? parseInterfaceAddress(text).ip : parseIp(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
    return z.NEVER
  }
})

/** A unicast MAC: the last bit of its first byte is 0. */
export const Mac = z
  .string()
  .toLowerCase()
  .regex(/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/, 'write a unicast MAC such as 0a:58:0a:f4:01:05')

/** Capabilities of CNI's conventions that runtimes fill in, of those that the configuration declares. */
const RuntimeConfig = z.looseObject({
  /** In the place of `ranges`. */
  ipRanges: z.array(RangeSetText).optional(),
  ips: z.array(RequestedIp).optional(),
  mac: Mac.optional(),
  dns: z
    .looseObject({
      servers: z.array(z.string()).optional(),
      searches: z.array(z.string()).optional(),
      options: z.array(z.string()).optional(),
    })
    .optional(),
  aliases: z.array(z.string()).optional(),
})

const Args = z.looseObject({
  cni: z
    .looseObject({
      ips: z.array(RequestedIp).optional(),
      mac: Mac.optional(),
      labels: z.array(z.object({ key: z.string(), value: z.string() })).optional(),
    })
    .optional(),
})

/** The configuration of type `podwire`: all that a Pod's interface needs, so that the plugin works without the agent too. */
export const PodNetConf = NetConf.extend({
  /** How the node reaches other nodes' Pods. The agent sees to it; `bridge` needs none. */
  datapath: z.enum(datapathKinds).default('bridge'),
  /** The bridge whose ports the Pods are; made when missing. Without one the node routes to every Pod by itself. */
  bridge: z.string().min(1).max(15).optional(),
  mtu: z.int().min(576).max(65535).default(1500),
  /** One address of each set goes to every Pod. */
  ranges: z.array(RangeSetText).min(1).optional(),
  /** Another plugin that gives the addresses, in the place of `ranges`. */
  ipam: z.looseObject({ type: z.string().optional() }).optional(),
  stateDir: z.string().startsWith('/').optional(),
  dns: Dns.optional(),
  runtimeConfig: RuntimeConfig.optional(),
  args: Args.optional(),
}).transform(({ stateDir, ...conf }, context) => {
  const delegate = conf.ipam?.type
  const ranges = conf.runtimeConfig?.ipRanges ?? conf.ranges ?? []
  if (delegate === undefined && ranges.length === 0)
    context.addIssue({ code: 'custom', path: ['ranges'], message: 'give Pods their addresses: ["10.244.1.0/24"]' })
  if (conf.datapath !== 'routed' && conf.bridge === undefined)
    context.addIssue({ code: 'custom', path: ['bridge'], message: 'name the bridge: "cni0"' })
  return { ...conf, delegate, ranges, stateDir: stateDir ?? stateDirOf(conf.name) }
})
export type PodNetConf = z.output<typeof PodNetConf>

/** The lab's own network keeps its state where `flow` looks for it. */
const stateDirOf = (network: string): string =>
  network === 'podwire' ? nodePaths.cniStateDir : join(nodePaths.cniStateDir, 'networks', network)

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

/** Checks a configuration against `schema`; all problems come in one error: code 2 when only values of known keys are not supported, else 7. */
export function parseConf<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  const { issues } = result.error
  const problems = issues.map(({ path, message, input }) => {
    const shown = input === undefined || typeof input === 'object' ? '' : ` ${JSON.stringify(input)}`
    return `${z.core.toDotPath(path) || 'configuration'}${shown}: ${message}`
  })
  const isUnsupported = issues.every(({ code }) => code === 'invalid_value')
  const code = isUnsupported ? cniErrorCodes.unsupportedField : cniErrorCodes.badConfig
  throw cniError(code, `invalid network configuration: ${problems.join('; ')}`)
}
