import { isIP } from 'node:net'
import type { Answer, RecordType } from 'dns-packet'

import { type Directive, directiveError } from './corefile.js'
import { atMost, fallthroughZones, numberOption, optionsOf } from './directive-options.js'
import { singleHandler } from './handler.js'
import { emptyReply, type Plugin, type Reply, type Resolve } from './resolve.js'
import { addressOfReverseName } from './reverse-name.js'
import type { EndpointRecord, NamedPort, ServiceRecords } from './service-records.js'
import type { ZoneIndex } from './zone-index.js'
import { closestZone, normalZone } from './zones.js'

/** The version of the record schema this plugin follows. */
export const schemaVersion = '1.1.0'

export interface KubernetesPluginOptions {
  /** The cluster's domain in lower case, as `cluster.local`. */
  readonly zone: string
  readonly index: ZoneIndex
  /** False until Services and EndpointSlices are known; SERVFAIL is answered as long. */
  readonly isReady: () => boolean
  readonly ttlSeconds: number
  /** Those of `in-addr.arpa` and `ip6.arpa`, or zones below, that are answered for; both when absent. */
  readonly reverseZones?: readonly string[]
  /** Zones whose unknown names the next handler is asked for. */
  readonly fallthrough?: readonly string[]
  /** `insecure`: a name such as `10-244-1-5.shop.pod` has the address it spells, whether there is such a Pod or not. */
  readonly pods?: PodRecords
}

const podRecords = ['disabled', 'insecure'] as const
type PodRecords = (typeof podRecords)[number]

/** What exists at a name: nothing, or a set of records (empty: NODATA, the name exists with other types or has names below it). */
type Found = 'nothing' | { readonly records: readonly Answer[]; readonly additionals?: readonly Answer[]; readonly follow?: string }

/**
 * Answers for the cluster's domain and the reverse zones by Kubernetes DNS-based service discovery 1.1.0.
 * An ExternalName leads on to its target, which is resolved by the whole chain and added to the answer.
 */
export function kubernetesPlugin({
  zone,
  index,
  isReady,
  ttlSeconds,
  reverseZones = ['in-addr.arpa', 'ip6.arpa'],
  fallthrough = [],
  pods = 'disabled',
}: KubernetesPluginOptions): Plugin {
  const record = <T extends RecordType>(name: string, type: T, data: unknown): Answer =>
    ({ name, type, class: 'IN', ttl: ttlSeconds, data }) as unknown as Answer

  const soa = (apex: string): Answer =>
    record(apex, 'SOA', {
      mname: `ns.dns.${zone}`,
      rname: `hostmaster.${zone}`,
      serial: Math.floor(Date.now() / 1000),
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: ttlSeconds,
    })

  const addressRecords = (name: string, type: RecordType, addresses: readonly string[]): Answer[] =>
    addresses.filter(address => familyOf(address) === type).map(address => record(name, familyOf(address), address))

  const bothFamilies = (name: string, addresses: readonly string[]): Answer[] =>
    [...new Set(addresses)].map(address => record(name, familyOf(address), address))

  /** `labels` are those left of the zone, in lower case; `asked` is the name with its case kept. */
  function lookUp(labels: readonly string[], asked: string, type: RecordType): Found {
    if (labels.length === 0) return { records: type === 'SOA' ? [soa(zone)] : type === 'NS' ? [record(asked, 'NS', `ns.dns.${zone}`)] : [] }
    if (labels.length === 1 && labels[0] === 'dns-version') return { records: type === 'TXT' ? [record(asked, 'TXT', schemaVersion)] : [] }
    if (labels.at(-1) === 'pod' && pods === 'insecure') return atPod(labels.slice(0, -1), asked, type)
    if (labels.at(-1) !== 'svc') return 'nothing'
    const [namespace, service, ...below] = labels.slice(0, -1).reverse()
    if (namespace === undefined) return { records: [] }
    if (service === undefined) return index.hasNamespace(namespace) ? { records: [] } : 'nothing'
    const records = index.service(namespace, service)
    if (records === undefined) return 'nothing'
    const serviceName = `${service}.${namespace}.svc.${zone}`
    if (below.length === 0) return atService(records, asked, type)
    if (below[0]?.startsWith('_'))
      return portsOf(records, { serviceName, asked, type, port: below[1], protocol: below[0].slice(1), depth: below.length })
    return below.length === 1 ? atEndpoint(records, below[0]!, asked, type) : 'nothing'
  }

  /** Specification 1.1.0 leaves Pod records out; this is what the usual server answers by `pods insecure`. */
  function atPod([label, ...below]: readonly string[], asked: string, type: RecordType): Found {
    if (label === undefined || below.length === 0) return { records: [] }
    const address = /^\d+-\d+-\d+-\d+$/.test(label) ? label.replaceAll('-', '.') : label.replaceAll('-', ':')
    return below.length > 1 || !isIP(address) ? 'nothing' : { records: addressRecords(asked, type, [address]) }
  }

  function atService(records: ServiceRecords, asked: string, type: RecordType): Found {
    switch (records.kind) {
      case 'clusterIP':
        return { records: addressRecords(asked, type, records.addresses) }
      case 'headless':
        if (records.endpoints.length === 0) return 'nothing'
        return { records: addressRecords(asked, type, [...new Set(records.endpoints.map(({ address }) => address))]) }
      case 'externalName':
        return { records: [record(asked, 'CNAME', records.target)], ...(type !== 'CNAME' && { follow: records.target }) }
    }
  }

  function atEndpoint(records: ServiceRecords, label: string, asked: string, type: RecordType): Found {
    const endpoints = records.kind === 'headless' ? records.endpoints.filter(endpoint => endpoint.label === label) : []
    return endpoints.length === 0
      ? 'nothing'
      : { records: addressRecords(asked, type, [...new Set(endpoints.map(({ address }) => address))]) }
  }

  interface PortQuestion {
    readonly serviceName: string
    readonly asked: string
    readonly type: RecordType
    /** `_http`, absent when only the protocol was asked for. */
    readonly port: string | undefined
    readonly protocol: string
    readonly depth: number
  }

  function portsOf(records: ServiceRecords, { serviceName, asked, type, port, protocol, depth }: PortQuestion): Found {
    if (records.kind === 'externalName' || depth > 2) return 'nothing'
    const matches = (candidate: NamedPort) => candidate.protocol === protocol && (port === undefined || `_${candidate.name}` === port)
    const targets: readonly (EndpointRecord | { label: undefined; address: string; ports: readonly NamedPort[] })[] =
      records.kind === 'headless'
        ? records.endpoints
        : records.addresses.slice(0, 1).map(address => ({ label: undefined, address, ports: records.ports }))
    const found = targets.flatMap(target => {
      const name = target.label === undefined ? serviceName : `${target.label}.${serviceName}`
      return target.ports.filter(matches).map(({ port }) => ({ name, port, address: target.address }))
    })
    if (found.length === 0) return 'nothing'
    if (port === undefined || type !== 'SRV') return { records: [] }
    const seen = new Map(found.map(entry => [`${entry.name} ${entry.port}`, entry]))
    const share = Math.floor(100 / seen.size) || 1
    const additionals =
      records.kind === 'headless'
        ? [...new Map(found.map(entry => [`${entry.name} ${entry.address}`, entry])).values()].flatMap(entry =>
            bothFamilies(entry.name, [entry.address]),
          )
        : bothFamilies(serviceName, records.addresses)
    return {
      records: [...seen.values()].map(entry => record(asked, 'SRV', { priority: 0, weight: share, port: entry.port, target: entry.name })),
      additionals,
    }
  }

  /** Of a name in lower case at or below the zone. */
  const labelsOf = (name: string): readonly string[] => (name === zone ? [] : name.slice(0, -zone.length - 1).split('.'))

  function reverseLookUp(name: string, asked: string, type: RecordType): Found {
    const address = addressOfReverseName(name)
    if (address === undefined || address === 'partial') return { records: [] }
    const names = index.reverse(address)
    if (names.length === 0) return 'nothing'
    if (type !== 'PTR') return { records: [] }
    return {
      records: names.map(({ service, namespace, label }) =>
        record(asked, 'PTR', `${label === undefined ? '' : `${label}.`}${service}.${namespace}.svc.${zone}`),
      ),
    }
  }

  const negative = (apex: string, rcode: 'NOERROR' | 'NXDOMAIN'): Reply => ({
    rcode,
    isAuthoritative: true,
    answers: [],
    authorities: [soa(apex)],
    additionals: [],
  })

  async function answer(found: Found, apex: string, type: RecordType, ask: (name: string) => Promise<Reply>): Promise<Reply> {
    if (found === 'nothing') return negative(apex, 'NXDOMAIN')
    if (found.records.length === 0) return negative(apex, 'NOERROR')
    const rest = found.follow === undefined ? undefined : await ask(found.follow)
    // A target outside the cluster is for the asking resolver to find; the CNAME alone is a whole answer.
    const followed = rest?.rcode === 'NOERROR' ? rest.answers.filter(({ type: got }) => got === type || got === 'CNAME') : []
    return {
      rcode: 'NOERROR',
      isAuthoritative: true,
      answers: [...found.records, ...followed],
      authorities: [],
      additionals: found.additionals ?? [],
    }
  }

  /** ExternalNames may lead in a circle. */
  const longestChain = 8

  return next => {
    const resolve =
      (depth: number): Resolve =>
      async query => {
        const name = query.name.toLowerCase()
        const served = closestZone(name, [zone, ...reverseZones])
        if (served === undefined) return next(query)
        if (!isReady()) return emptyReply('SERVFAIL')
        const ask = (target: string): Promise<Reply> =>
          depth >= longestChain ? Promise.resolve(emptyReply('SERVFAIL')) : resolve(depth + 1)({ ...query, name: target })
        const found = served === zone ? lookUp(labelsOf(name), query.name, query.type) : reverseLookUp(name, query.name, query.type)
        if (found === 'nothing' && closestZone(name, fallthrough) !== undefined) return next(query)
        return answer(found, served, query.type, ask)
      }
    return resolve(0)
  }
}

const familyOf = (address: string): 'A' | 'AAAA' => (address.includes(':') ? 'AAAA' : 'A')

const isReverse = (zone: string): boolean => closestZone(zone, ['in-addr.arpa', 'ip6.arpa']) !== undefined

export const kubernetesHandler = singleHandler('kubernetes', (directive, { index, isReady, block }) => {
  const options = optionsOf(directive, 'ttl', 'pods', 'fallthrough')
  const ttlSeconds = numberOption(options.get('ttl'), { from: 0, to: 3600 }, 5)
  const pods = podsOf(options.get('pods'))
  const zones = directive.args.length > 0 ? directive.args.map(normalZone) : block.zones.map(({ zone }) => zone)
  const [zone = '', second] = zones.filter(each => !isReverse(each))
  if (zone === '') throw directiveError(directive, 'names no zone of the cluster, as cluster.local')
  if (second !== undefined) throw directiveError(directive, `serves one zone of the cluster; ${zone} and ${second} are two`)
  const fallthrough = fallthroughZones(options.get('fallthrough'))
  return kubernetesPlugin({ zone, index, isReady, ttlSeconds, pods, fallthrough, reverseZones: zones.filter(isReverse) })
})

function podsOf(option: Directive | undefined): PodRecords {
  if (option === undefined) return 'disabled'
  const [text] = atMost(option, 1)
  const pods = podRecords.find(each => each === text)
  if (pods === undefined) throw directiveError(option, `${text ?? 'nothing'} is not there; write ${podRecords.join(' or ')}`)
  return pods
}
