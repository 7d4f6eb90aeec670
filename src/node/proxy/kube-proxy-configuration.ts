import { LineCounter, parseAllDocuments } from 'yaml'
import { z } from 'zod'

import { PodwireError } from '../../base/errors/podwire-error.js'
import { parseGoDuration } from '../../base/time/go-duration.js'
import { placedLines, schemaProblems, syntaxProblems } from '../../base/yaml/yaml-problems.js'
import { type ProxyMode, proxyModes } from '../../service-model/proxy-settings.js'

const Duration = z.string().transform((text, context) => {
  const ms = parseGoDuration(text)
  if (ms !== undefined) return ms
  context.addIssue({ code: 'custom', message: `"${text}" is no duration; write it as 30s, 1m30s or 24h` })
  return z.NEVER
})
const durationMs = (fallback: string) => Duration.prefault(fallback)
const positive = (fallback: string) => durationMs(fallback).refine(ms => ms > 0, 'must be greater than 0')
const notNegative = (fallback: string) => durationMs(fallback).refine(ms => ms >= 0, 'must be greater than or equal to 0')

const Range = z.union([z.cidrv4(), z.cidrv6()], 'use a range such as 10.244.0.0/16 or fd00:10:244::/48')
const Address = z.union([z.ipv4(), z.ipv6()], 'use an IP address')

/** `IP:port` with IPv6 in brackets, as Go writes it. */
const hostPort = /^(?:(\d+\.\d+\.\d+\.\d+)|\[([0-9a-fA-F:.]+)\]):(\d+)$/
const BindAddress = z.string().refine(isBindAddress, 'must be IP:port, such as 0.0.0.0:10256')

function isBindAddress(text: string): boolean {
  const [, ipv4, ipv6, port] = hostPort.exec(text) ?? []
  return (z.ipv4().safeParse(ipv4).success || z.ipv6().safeParse(ipv6).success) && Number(port) <= 65_535
}

/** Where a bind address of a checked configuration listens. */
export function bindPlace(text: string): { readonly host: string; readonly port: number } {
  const [, ipv4, ipv6, port] = hostPort.exec(text) ?? []
  return { host: ipv4 ?? ipv6 ?? '', port: Number(port) }
}

const masqueradeBit = z.int().min(0, 'must be within the range [0, 31]').max(31, 'must be within the range [0, 31]').default(14)

const syncing = { syncPeriod: positive('30s'), minSyncPeriod: notNegative('1s') }
const isOrdered = ({ syncPeriod, minSyncPeriod }: { readonly syncPeriod: number; readonly minSyncPeriod: number }): boolean =>
  minSyncPeriod <= syncPeriod
const order = { message: 'must be less than or equal to syncPeriod', path: ['minSyncPeriod'] }

/**
 * `KubeProxyConfiguration` of kubeproxy.config.k8s.io/v1alpha1: every field of the upstream type, so that a file made for
 * kube-proxy is read unchanged. Times are milliseconds after parsing.
 */
export const KubeProxyConfiguration = z
  .strictObject({
    apiVersion: z.literal('kubeproxy.config.k8s.io/v1alpha1'),
    kind: z.literal('KubeProxyConfiguration'),
    featureGates: z.record(z.string(), z.boolean()).default({}),
    clientConnection: z
      .strictObject({
        kubeconfig: z.string().default(''),
        acceptContentTypes: z.string().default(''),
        contentType: z.string().default('application/vnd.kubernetes.protobuf'),
        qps: z.number().default(5),
        burst: z.int().min(0, 'must be non-negative').default(10),
      })
      .prefault({}),
    logging: z
      .strictObject({
        format: z.string().default('text'),
        flushFrequency: z.union([z.string(), z.number()]).default('5s'),
        verbosity: z.int().min(0).default(0),
        vmodule: z.array(z.strictObject({ filePattern: z.string(), verbosity: z.int() })).optional(),
        options: z.record(z.string(), z.unknown()).optional(),
      })
      .prefault({}),
    hostnameOverride: z.string().default(''),
    bindAddress: Address.default('0.0.0.0'),
    healthzBindAddress: BindAddress.default('0.0.0.0:10256'),
    metricsBindAddress: BindAddress.default('127.0.0.1:10249'),
    bindAddressHardFail: z.boolean().default(false),
    enableProfiling: z.boolean().default(false),
    showHiddenMetricsForVersion: z.string().default(''),
    /** Empty: the platform's default. */
    mode: z.enum<('' | ProxyMode)[]>(['', ...proxyModes], 'must be iptables, ipvs or nftables').default(''),
    iptables: z
      .strictObject({ masqueradeBit, masqueradeAll: z.boolean().default(false), localhostNodePorts: z.boolean().default(true), ...syncing })
      .refine(isOrdered, order)
      .prefault({}),
    ipvs: z
      .strictObject({
        ...syncing,
        scheduler: z.string().default('rr'),
        excludeCIDRs: z.array(Range).default([]),
        strictARP: z.boolean().default(false),
        tcpTimeout: notNegative('0s'),
        tcpFinTimeout: notNegative('0s'),
        udpTimeout: notNegative('0s'),
      })
      .refine(isOrdered, order)
      .prefault({}),
    nftables: z
      .strictObject({ masqueradeBit, masqueradeAll: z.boolean().default(false), ...syncing })
      .refine(isOrdered, order)
      .prefault({}),
    winkernel: z
      .strictObject({
        networkName: z.string().optional(),
        sourceVip: z.string().optional(),
        enableDSR: z.boolean().optional(),
        rootHnsEndpointName: z.string().optional(),
        forwardHealthCheckVip: z.boolean().optional(),
      })
      .prefault({}),
    detectLocalMode: z
      .enum(
        ['', 'ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix'],
        'must be ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix',
      )
      .default(''),
    detectLocal: z.strictObject({ bridgeInterface: z.string().default(''), interfaceNamePrefix: z.string().default('') }).prefault({}),
    /** One range, or one of each family with a comma between. */
    clusterCIDR: z
      .string()
      .default('')
      .refine(
        text => text === '' || text.split(',').every(range => Range.safeParse(range).success),
        'use a range, or two of both families',
      ),
    nodePortAddresses: z
      .array(z.union([Range, z.literal('primary')], 'use ranges such as 192.168.0.0/16, or the word primary'))
      .default([]),
    oomScoreAdj: z
      .int()
      .min(-1000, 'must be within the range [-1000, 1000]')
      .max(1000, 'must be within the range [-1000, 1000]')
      .default(-999),
    conntrack: z
      .strictObject({
        maxPerCore: z.int().min(0, 'must be greater than or equal to 0').default(32_768),
        min: z.int().min(0, 'must be greater than or equal to 0').default(131_072),
        tcpEstablishedTimeout: notNegative('24h'),
        tcpCloseWaitTimeout: notNegative('1h'),
        tcpBeLiberal: z.boolean().default(false),
        udpTimeout: notNegative('0s'),
        udpStreamTimeout: notNegative('0s'),
      })
      .prefault({}),
    configSyncPeriod: positive('15m'),
    portRange: z.string().default(''),
    windowsRunAsService: z.boolean().default(false),
  })
  .superRefine(({ detectLocalMode, detectLocal, nodePortAddresses }, context) => {
    const needed = { BridgeInterface: 'bridgeInterface', InterfaceNamePrefix: 'interfaceNamePrefix' } as const
    const key = detectLocalMode === 'BridgeInterface' || detectLocalMode === 'InterfaceNamePrefix' ? needed[detectLocalMode] : undefined
    if (key !== undefined && detectLocal[key] === '') {
      context.addIssue({ code: 'custom', path: ['detectLocal', key], message: `must be set for detectLocalMode ${detectLocalMode}` })
    }
    if (nodePortAddresses.includes('primary') && nodePortAddresses.length > 1) {
      context.addIssue({ code: 'custom', path: ['nodePortAddresses'], message: 'the word primary stands alone' })
    }
  })
export type KubeProxyConfiguration = z.output<typeof KubeProxyConfiguration>

/** Fields whose empty text or zero means that nothing was said; everywhere else null alone does (upstream's SetDefaults_KubeProxyConfiguration). */
const zeroIsUnset: ReadonlySet<string> = new Set([
  'bindAddress',
  'healthzBindAddress',
  'metricsBindAddress',
  'configSyncPeriod',
  'clientConnection.contentType',
  'clientConnection.qps',
  'clientConnection.burst',
  'iptables.syncPeriod',
  'iptables.minSyncPeriod',
  'ipvs.syncPeriod',
  'ipvs.scheduler',
  'nftables.syncPeriod',
  'nftables.minSyncPeriod',
])

/** The value without what says nothing, so that defaults take its place. */
function withoutUnset(value: unknown, path = ''): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      const at = path === '' ? key : `${path}.${key}`
      const isZero = inner === '' || inner === 0 || (typeof inner === 'string' && parseGoDuration(inner) === 0)
      return inner === null || (isZero && zeroIsUnset.has(at)) ? [] : [[key, withoutUnset(inner, at)]]
    }),
  )
}

/** Reads a configuration file (YAML or JSON), or throws one CONFIG_INVALID that lists every problem with its line and column. */
export function parseKubeProxyConfiguration(text: string, file: string): KubeProxyConfiguration {
  const lineCounter = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter }).filter(({ contents, errors }) => contents !== null || errors.length > 0)
  const refuse = (lines: string): never => {
    throw new PodwireError('CONFIG_INVALID', `${file} is not a valid KubeProxyConfiguration:\n${lines}`, {
      hint: 'Its fields are those of kubeproxy.config.k8s.io/v1alpha1.',
    })
  }
  const [doc, second] = documents
  if (doc === undefined) return refuse(`  ${file}:1:1 the file is empty`)
  if (doc.errors.length > 0) return refuse(placedLines(syntaxProblems(doc), { file, lineCounter }))
  if (second !== undefined)
    return refuse(placedLines([{ offset: second.range[0], text: 'a second document; one is read' }], { file, lineCounter }))
  const result = KubeProxyConfiguration.safeParse(withoutUnset(doc.toJS()))
  if (result.success) return result.data
  return refuse(placedLines(schemaProblems(doc, KubeProxyConfiguration, result.error.issues), { file, lineCounter }))
}
