import { createInterface } from 'node:readline'

import { PodwireError } from '../base/errors/podwire-error.js'
import { systemClock } from '../base/time/clock.js'
import type { Host } from './host.js'
import { type HookVisit, RuleTraceParser } from './parse-rule-trace.js'

/** The rules of one network namespace telling which packets they matched. */
export interface RuleTrace {
  /**
   * Proves that events come through now: `send` must put one UDP datagram with this payload on the namespace's `lo`. As events keep their order,
   * those of all packets before it have been read when this resolves. Errors: CAPTURE_FAILED when nothing is heard in time.
   */
  prove(send: (payload: string) => Promise<void>, signal: AbortSignal): Promise<void>
  /** Everything heard so far but the proofs, in order. */
  visits(): readonly HookVisit[]
  /** Ends it and takes its table away. */
  stop(): Promise<void>
}

/** Before every other chain: iptables' raw table is at -300. */
const firstPriority = -400
const table = 'podwire-trace'
const proofMagic = 'pwTR'
const proofTimeoutMs = 5_000
const proofIntervalMs = 50

const isIpv6 = (address: string): boolean => address.includes(':')

const setText = (name: string, type: string, addresses: readonly string[]): string =>
  [`  set ${name} {`, `    type ${type}`, ...(addresses.length === 0 ? [] : [`    elements = { ${addresses.join(', ')} }`]), '  }'].join(
    '\n',
  )

/** Packets between two of these addresses are traced, and proofs of life: UDP on lo whose payload begins with the magic. */
const tableText = (addresses: readonly string[]): string => `table inet ${table}
delete table inet ${table}
table inet ${table} {
${setText(
  'ends4',
  'ipv4_addr',
  addresses.filter(address => !isIpv6(address)),
)}
${setText('ends6', 'ipv6_addr', addresses.filter(isIpv6))}
  chain chosen {
    ip saddr @ends4 ip daddr @ends4 meta nftrace set 1
    ip6 saddr @ends6 ip6 daddr @ends6 meta nftrace set 1
    ip daddr 127.0.0.1 udp length >= 12 @th,64,32 0x${Buffer.from(proofMagic).toString('hex')} meta nftrace set 1
  }
  chain prerouting {
    type filter hook prerouting priority ${firstPriority}; policy accept;
    jump chosen
  }
  chain output {
    type filter hook output priority ${firstPriority}; policy accept;
    jump chosen
  }
}
`

/**
 * Has the kernel tell of each packet between two of the `addresses` which rules of nf_tables (and of iptables over nf_tables) it matches
 * (nf_tables' NFTA_TRACE messages, as `nft monitor trace` prints them). Rules of iptables-legacy do not take part.
 * Errors: COMMAND_MISSING, COMMAND_FAILED with nft's own words.
 */
export async function startRuleTrace(host: Host, addresses: readonly string[], signal: AbortSignal): Promise<RuleTrace> {
  await host.run(['nft', '-f', '-'], { input: tableText([...new Set(addresses)]), signal })
  const monitor = host.start(['stdbuf', '-oL', 'nft', 'monitor', 'trace'], { signal })
  const parser = new RuleTraceParser()
  let words = ''
  let hasEnded = false
  if (!monitor.stdout || !monitor.stderr) throw new PodwireError('INTERNAL', 'a rule trace needs the streams of its process')
  createInterface({ input: monitor.stdout }).on('line', text => parser.push(text))
  monitor.stderr.on('data', (chunk: Uint8Array) => {
    words += Buffer.from(chunk).toString()
  })
  void monitor.ended.then(() => {
    hasEnded = true
  })
  const proofs = (): number => parser.visits.filter(isProof).length

  return {
    async prove(send, signal) {
      const before = proofs()
      const deadline = Date.now() + proofTimeoutMs
      // What is sent before nft listens is not told, so it is sent again.
      for (;;) {
        await send(`${proofMagic}${crypto.randomUUID()}`)
        await systemClock.sleep(proofIntervalMs, signal)
        if (proofs() > before) return
        if (hasEnded || Date.now() > deadline) {
          throw new PodwireError('CAPTURE_FAILED', `the trace of rules on ${host.name} is not alive${words && `: ${words.trim()}`}`)
        }
      }
    },
    visits: () => parser.visits.filter(visit => !isProof(visit) && visit.table !== table),
    async stop() {
      await monitor.stop()
      await host.run(['nft', 'delete', 'table', 'inet', table], { allowFailure: true })
    },
  }
}

const isProof = ({ packet }: HookVisit): boolean => packet.dst === '127.0.0.1'
