/** A rule that a packet matched, as nft prints it. */
export interface MatchedRule {
  readonly chain: string
  /** `meta l4proto tcp ip daddr 10.96.0.10 tcp dport 80 counter packets 4 bytes 240 jump KUBE-SVC-X`. */
  readonly text: string
  /** `accept`, `drop`, `continue`, `jump KUBE-SVC-X`. */
  readonly verdict: string
}

/** What the kernel tells of a packet as it enters a base chain. */
export interface TracedPacket {
  readonly iif: string | undefined
  readonly oif: string | undefined
  readonly src: string
  readonly dst: string
  /** Of IPv4: the identification, which neither address translation nor a tunnel alters. */
  readonly ipId: number | undefined
  /** Of IPv6: the flow label and the length of what follows the header, which together stay the same too. */
  readonly flowLabel: number | undefined
  readonly payloadLength: number | undefined
  readonly sport: number | undefined
  readonly dport: number | undefined
}

/** One packet in one base chain, with the rules it matched in order. */
export interface HookVisit {
  /** `ip`, `ip6`, `inet`, `bridge`. */
  readonly family: string
  readonly table: string
  readonly chain: string
  readonly packet: TracedPacket
  readonly rules: readonly MatchedRule[]
  /** How the visit ended; undefined when the kernel told no more, as where a target of xtables took the packet. */
  readonly verdict: string | undefined
  /** True: no rule decided, the chain's policy did. */
  readonly isByPolicy: boolean
}

type Growing = { -readonly [K in keyof HookVisit]: HookVisit[K] } & { rules: MatchedRule[] }

const line = /^trace id ([0-9a-f]+) (\S+) (\S+) (\S+) (packet:|rule|policy|verdict|unknown)\s?(.*)$/

/**
 * Reads what `nft monitor trace` prints. The kernel's ids of packets are used again and again; a packet line begins a visit, and what follows with
 * the same id belongs to it.
 */
export class RuleTraceParser {
  readonly #open = new Map<string, Growing>()
  readonly #visits: Growing[] = []

  /** Visits so far, those of proofs of life included. */
  get visits(): readonly HookVisit[] {
    return this.#visits
  }

  push(text: string): void {
    const [, id = '', family = '', table = '', chain = '', kind, rest = ''] = line.exec(text.trimEnd()) ?? []
    if (kind === 'packet:') {
      const visit: Growing = { family, table, chain, packet: parsePacket(rest), rules: [], verdict: undefined, isByPolicy: false }
      this.#open.set(id, visit)
      this.#visits.push(visit)
      return
    }
    const visit = this.#open.get(id)
    if (visit === undefined || visit.family !== family || visit.table !== table) return
    if (kind === 'policy') {
      visit.verdict = rest.trim()
      visit.isByPolicy = true
    } else if (kind === 'rule') {
      const [, rule = rest, verdict = ''] = /^(.*?)\s*\(verdict ([^)]*)\)$/.exec(rest) ?? []
      visit.rules.push({ chain, text: rule.trim(), verdict })
      if (verdict === 'accept' || verdict === 'drop') visit.verdict = verdict
    }
  }
}

function parsePacket(text: string): TracedPacket {
  const word = (pattern: RegExp): string | undefined => pattern.exec(text)?.[1]
  const number = (pattern: RegExp): number | undefined => {
    const found = word(pattern)
    return found === undefined ? undefined : Number(found)
  }
  return {
    iif: word(/\biif "([^"]+)"/),
    oif: word(/\boif "([^"]+)"/),
    src: word(/\bip6? saddr (\S+)/) ?? '',
    dst: word(/\bip6? daddr (\S+)/) ?? '',
    ipId: number(/\bip id (\d+)/),
    flowLabel: number(/\bip6 flowlabel (\d+)/),
    payloadLength: number(/\bip6 length (\d+)/),
    sport: number(/\b(?:tcp|udp|sctp) sport (\d+)/),
    dport: number(/\b(?:tcp|udp|sctp) dport (\d+)/),
  }
}
