import { z } from 'zod'

import { cniError, cniErrorCodes } from './cni-error.js'
import type { CniVersion } from './cni-version.js'

const Interface = z.looseObject({ name: z.string(), mac: z.string().optional(), mtu: z.int().optional(), sandbox: z.string().optional() })
const Ip = z.looseObject({ address: z.string(), gateway: z.string().optional(), interface: z.int().optional() })
const Route = z.looseObject({ dst: z.string(), gw: z.string().optional() })
const Dns = z.looseObject({
  nameservers: z.array(z.string()).optional(),
  domain: z.string().optional(),
  search: z.array(z.string()).optional(),
  options: z.array(z.string()).optional(),
})

/** The success result of ADD, in the shape of version 1.1.0. Keys of newer versions are let through. */
export const CniResult = z.looseObject({
  interfaces: z.array(Interface).default([]),
  ips: z.array(Ip).default([]),
  routes: z.array(Route).default([]),
  dns: Dns.default({}),
})
export type CniResult = z.infer<typeof CniResult>

/** `prevResult` of a configuration, of any version from 0.3.0; undefined when there is none. */
export function parsePrevResult(value: unknown): CniResult | undefined {
  return value === undefined || value === null ? undefined : parseResult(value, 'prevResult')
}

/** A result of any version from 0.3.0; `what` stands in the error of one that is none. */
export function parseResult(value: unknown, what: string): CniResult {
  const result = CniResult.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues.map(({ path, message }) => `${z.core.toDotPath(path)}: ${message}`)
  throw cniError(cniErrorCodes.undecodable, `${what}: ${problems.join('; ')}`)
}

/** The result as a configuration of `version` expects it. */
export function formatResult(result: CniResult, version: CniVersion): Readonly<Record<string, unknown>> {
  if (version === '1.1.0') return { ...result, cniVersion: version }
  const hasIpVersion = version.startsWith('0.')
  return {
    cniVersion: version,
    interfaces: result.interfaces.map(({ name, mac, sandbox }) => defined({ name, mac, sandbox })),
    ips: result.ips.map(({ address, gateway, interface: index }) =>
      defined({ version: hasIpVersion ? (address.includes(':') ? '6' : '4') : undefined, interface: index, address, gateway }),
    ),
    routes: result.routes.map(({ dst, gw }) => defined({ dst, gw })),
    dns: result.dns,
  }
}

/** What earlier plugins of the chain made, with ours added behind it: the indices of interfaces move on. */
export function appendResult(previous: CniResult | undefined, ours: CniResult): CniResult {
  if (previous === undefined) return ours
  const offset = previous.interfaces.length
  const ips = ours.ips.map(ip => (ip.interface === undefined ? ip : { ...ip, interface: ip.interface + offset }))
  return {
    ...previous,
    interfaces: [...previous.interfaces, ...ours.interfaces],
    ips: [...previous.ips, ...ips],
    routes: [...previous.routes, ...ours.routes],
    dns: { ...previous.dns, ...ours.dns },
  }
}

const defined = (object: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
