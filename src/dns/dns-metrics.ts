import { isIPv6 } from 'node:net'
import { Counter, Histogram, Registry } from 'prom-client'

import type { Plugin, Query } from './resolve.js'
import { closestZone } from './zones.js'

/** What the server tells of itself, under the names that dashboards for CoreDNS know (its plugin `metrics`). */
export interface DnsMetrics {
  readonly registry: Registry
  /** Counts what passes; `server` as `dns://:53`, `zones` those of the block. */
  plugin(server: string, zones: readonly string[]): Plugin
}

/** Seconds: a quarter millisecond, doubling. */
const durationBuckets = Array.from({ length: 16 }, (_, i) => 0.00025 * 2 ** i)

/** Types that have a label of their own; who asks for made-up types must not make the list of series grow. */
const namedTypes = new Set(['A', 'AAAA', 'CNAME', 'DNSKEY', 'DS', 'MX', 'NS', 'NSEC', 'NSEC3', 'PTR', 'RRSIG', 'SOA', 'SRV', 'TXT'])

/** IANA's address family numbers, as the label `family` has them. */
const familyOf = ({ client = '' }: Query): '1' | '2' => (isIPv6(client) ? '2' : '1')

export function createDnsMetrics(): DnsMetrics {
  const registry = new Registry()
  const registers = [registry]
  const requests = new Counter({
    name: 'coredns_dns_requests_total',
    help: 'Questions asked',
    labelNames: ['server', 'zone', 'view', 'proto', 'family', 'type'],
    registers,
  })
  const responses = new Counter({
    name: 'coredns_dns_responses_total',
    help: 'Answers given by their code',
    labelNames: ['server', 'zone', 'view', 'rcode', 'plugin'],
    registers,
  })
  const duration = new Histogram({
    name: 'coredns_dns_request_duration_seconds',
    help: 'Time from question to answer',
    labelNames: ['server', 'zone', 'view'],
    buckets: durationBuckets,
    registers,
  })

  return {
    registry,
    plugin: (server, zones) => next => async query => {
      const zone = `${closestZone(query.name.toLowerCase(), zones) ?? ''}.`
      const labels = { server, zone, view: '' }
      requests.inc({ ...labels, proto: query.transport, family: familyOf(query), type: namedTypes.has(query.type) ? query.type : 'other' })
      const stop = duration.startTimer(labels)
      const reply = await next(query).finally(stop)
      responses.inc({ ...labels, rcode: reply.rcode, plugin: '' })
      return reply
    },
  }
}
