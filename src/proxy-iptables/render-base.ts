import type { NodeFacts } from '../service-model/service-state.js'
import { rule } from './rule.js'
import type { ChainRules, Ruleset, Table } from './ruleset.js'

/** Chains that many Services add a rule to; their order carries no meaning, but for what `renderBase` puts last. */
export const sharedChains = {
  nat: ['KUBE-SERVICES', 'KUBE-NODEPORTS'],
  filter: ['KUBE-NODEPORTS', 'KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES', 'KUBE-PROXY-FIREWALL'],
  mangle: [],
} as const satisfies Readonly<Record<Table, readonly string[]>>

/** An empty chain in every table. Where it is gone somebody has emptied the table, and our rules are gone with it. */
export const canaryChain = 'KUBE-PROXY-CANARY'

/** All chains of fixed name. */
export const fixedChains = {
  nat: [...sharedChains.nat, 'KUBE-MARK-MASQ', 'KUBE-POSTROUTING', canaryChain],
  filter: [...sharedChains.filter, 'KUBE-FIREWALL', 'KUBE-FORWARD', canaryChain],
  mangle: [canaryChain],
} as const satisfies Readonly<Record<Table, readonly string[]>>

const jump = (comment: string, chain: string, matches: readonly string[] = []): string =>
  [...matches, `-m comment --comment "${comment}"`, `-j ${chain}`].join(' ')

const onlyNew = ['-m conntrack --ctstate NEW']
const portals = 'kubernetes service portals'
const firewall = jump('kubernetes load balancer firewall', 'KUBE-PROXY-FIREWALL', onlyNew)
const externalPortals = jump('kubernetes externally-visible service portals', 'KUBE-EXTERNAL-SERVICES', onlyNew)
const newPortals = jump(portals, 'KUBE-SERVICES', onlyNew)

/**
 * The jumps from the kernel's own chains, in the order they are to stand there.
 * Filtering looks at new connections only: an established one was judged before.
 */
export const jumps: Ruleset = {
  nat: new Map([
    ['PREROUTING', [jump(portals, 'KUBE-SERVICES')]],
    ['OUTPUT', [jump(portals, 'KUBE-SERVICES')]],
    ['POSTROUTING', [jump('kubernetes postrouting rules', 'KUBE-POSTROUTING')]],
  ]),
  filter: new Map([
    ['INPUT', [firewall, jump('kubernetes health check service ports', 'KUBE-NODEPORTS'), externalPortals, '-j KUBE-FIREWALL']],
    ['FORWARD', [firewall, jump('kubernetes forwarding rules', 'KUBE-FORWARD'), newPortals, externalPortals]],
    ['OUTPUT', [firewall, newPortals, '-j KUBE-FIREWALL']],
  ]),
  mangle: new Map(),
}

/** The chains of fixed name that no Service adds to. */
export function renderFixed(node: NodeFacts): Ruleset {
  const canary = [canaryChain, []] as const
  return {
    nat: new Map([...masqueradeChains(node), canary]),
    filter: new Map([...filterChains(node), canary]),
    mangle: new Map([canary]),
  }
}

/** The shared chains as they end: after the rules of all Services. */
export const renderSharedEnds = (node: NodeFacts): Pick<Ruleset, 'nat' | 'filter'> => ({
  nat: new Map([
    ['KUBE-NODEPORTS', []],
    ['KUBE-SERVICES', nodePortRules(node)],
  ]),
  filter: new Map(sharedChains.filter.map(chain => [chain, []])),
})

/** As `iptables-save` prints it. */
const markText = ({ masqueradeMark }: NodeFacts): string => `0x${masqueradeMark.toString(16)}`

function masqueradeChains(node: NodeFacts): ChainRules {
  const mark = markText(node)
  return new Map<string, readonly string[]>([
    ['KUBE-MARK-MASQ', [`-j MARK --set-xmark ${mark}/${mark}`]],
    [
      'KUBE-POSTROUTING',
      [
        `-m mark ! --mark ${mark}/${mark} -j RETURN`,
        // The mark is taken off, lest a packet that comes by here twice (through a tunnel) be masqueraded twice.
        `-j MARK --set-xmark ${mark}/0x0`,
        rule({ comment: 'kubernetes service traffic requiring SNAT', jump: 'MASQUERADE --random-fully' }),
      ],
    ],
  ])
}

function nodePortRules({ nodePortAddresses, localhostNodePorts, family }: NodeFacts): readonly string[] {
  const rest = {
    comment: 'kubernetes service nodeports; NOTE: this must be the last rule in this chain',
    matches: ['-m addrtype --dst-type LOCAL'],
    jump: 'KUBE-NODEPORTS',
  }
  if (nodePortAddresses !== 'all') return nodePortAddresses.map(destination => rule({ ...rest, destination }))
  if (family === 6) return [rule({ ...rest, notDestination: '::1/128' })]
  return [rule(localhostNodePorts ? rest : { ...rest, notDestination: '127.0.0.0/8' })]
}

function filterChains(node: NodeFacts): ChainRules {
  const { family, localhostNodePorts, dropInvalid } = node
  const mark = markText(node)
  return new Map<string, readonly string[]>([
    [
      'KUBE-FIREWALL',
      // With route_localnet on, a neighbour could reach what listens on 127.0.0.1 by sending to that address.
      family === 4 && localhostNodePorts
        ? [
            rule({
              notSource: '127.0.0.0/8',
              destination: '127.0.0.0/8',
              comment: 'block incoming localnet connections',
              matches: ['-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT'],
              jump: 'DROP',
            }),
          ]
        : [],
    ],
    [
      'KUBE-FORWARD',
      [
        // conntrack does not un-NAT what it calls INVALID; a Pod would answer such a packet with RST and end a good connection.
        ...(dropInvalid ? ['-m conntrack --ctstate INVALID -j DROP'] : []),
        rule({ comment: 'kubernetes forwarding rules', matches: [`-m mark --mark ${mark}/${mark}`], jump: 'ACCEPT' }),
        rule({
          comment: 'kubernetes forwarding conntrack rule',
          matches: ['-m conntrack --ctstate RELATED,ESTABLISHED'],
          jump: 'ACCEPT',
        }),
      ],
    ],
  ])
}
