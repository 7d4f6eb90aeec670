import { type Cidr, cidrParts, type Ip, ipFamily } from '../base/net/address.js'
import type { Chain, NftSet, TableContent } from '../kernel/nft-content.js'
import type { NftTableName } from '../kernel/nftables.js'
import type {
  AddressGroup,
  LocalPod,
  NamedPortGroup,
  NetGroup,
  PeerCondition,
  PolicyChain,
  PolicyNodeFacts,
  PolicyProfile,
  PolicyRule,
  PortCondition,
  PortRange,
  PortSet,
  Stage,
} from './policy-state.js'
import type { Direction } from './policy-world.js'

/** Ours alone, of both families. */
export const policyTable: NftTableName = { family: 'inet', table: 'podwire-policy' }

const families = [
  { digit: '4', ip: 'ip', type: 'ipv4_addr' },
  { digit: '6', ip: 'ip6', type: 'ipv6_addr' },
] as const

const stageWords: Readonly<Record<Stage, string>> = { Admin: 'admin', NetworkPolicy: 'policy', Baseline: 'baseline' }
const directions: readonly Direction[] = ['egress', 'ingress']

/** Where a packet goes on that the stage has not decided about. */
const nextStage: Readonly<Record<Stage, (direction: Direction) => string>> = {
  Admin: direction => `goto policy-${direction}`,
  NetworkPolicy: direction => `goto baseline-${direction}`,
  Baseline: direction => allowed(direction),
}
/** What the source's policies allow goes on to the destination's. */
const allowed = (direction: Direction): string => (direction === 'egress' ? 'goto ingress' : 'accept')

const set = (definition: string | undefined, elements: readonly string[] = []): NftSet => ({
  kind: 'set',
  definition,
  elements: new Map(elements.map(element => [element, ''])),
})
const chain = (rules: readonly string[], hook = ''): Chain => ({ hook, rules })

/**
 * What no policy and no Pod changes: hooks, the order of the questions, empty maps.
 *
 * Answers pass; what a connection's opener sends is judged packet by packet, so that a new policy also ends what is open. The node's own packets to Pods
 * meet no hook. A Pod's packets to its node meet `input`, where NetworkPolicy lets them pass. Those of IPVS come by `output`, with a source that is not the node's.
 */
export function renderBase({ addresses, podRanges }: PolicyNodeFacts): TableContent {
  const own = (digit: '4' | '6') => addresses.filter(ip => `${ipFamily(ip)}` === digit)
  const unknown = podRanges.flatMap(range => {
    const { ip, digit } = families.find(each => each.digit === `${cidrParts(range).family}`)!
    return ['saddr', 'daddr'].map(field => `${ip} ${field} ${range} ${ip} ${field} != @known${digit} drop`)
  })
  const stageRules = (map: string, direction: Direction): readonly string[] =>
    families.map(({ digit, ip }) => `${ip} ${direction === 'egress' ? 'saddr' : 'daddr'} vmap @${map}-${direction}${digit}`)
  const chains = new Map<string, Chain>([
    ['forward', chain(['goto judge'], 'type filter hook forward priority filter - 10; policy accept;')],
    ['output', chain(['fib saddr type != local goto judge'], 'type filter hook output priority filter - 10; policy accept;')],
    [
      'input',
      chain(
        [
          'ct state established ct direction reply accept',
          'ct state related accept',
          ...families.map(({ digit, ip }) => `${ip} daddr @own${digit} goto egress`),
        ],
        'type filter hook input priority filter - 10; policy accept;',
      ),
    ],
    [
      'judge',
      chain([
        'ct state established ct direction reply accept',
        'ct state related accept',
        'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect } accept',
        ...unknown,
        'goto egress',
      ]),
    ],
    ...directions.flatMap((direction): [string, Chain][] => [
      [direction, chain([...stageRules('admin', direction), nextStage.Admin(direction)])],
      [`policy-${direction}`, chain([...stageRules('policy', direction), nextStage.NetworkPolicy(direction)])],
      [`baseline-${direction}`, chain([...stageRules('baseline', direction), nextStage.Baseline(direction)])],
    ]),
  ])
  const sets = new Map<string, NftSet>(
    families.flatMap(({ digit, type }): [string, NftSet][] => [
      [`own${digit}`, set(`type ${type}`, own(digit))],
      [`known${digit}`, set(`type ${type}`)],
      ...Object.values(stageWords).flatMap(stage =>
        directions.map((direction): [string, NftSet] => [
          `${stage}-${direction}${digit}`,
          { kind: 'map', definition: `type ${type} : verdict`, elements: new Map() },
        ]),
      ),
    ]),
  )
  return { chains, sets }
}

/** The way of a Pod's addresses into its profiles. */
export function renderPod({ addresses, profiles }: LocalPod): TableContent {
  const sets = new Map<string, { kind: 'set' | 'map'; definition: undefined; elements: Map<string, string> }>()
  const put = (name: string, kind: 'set' | 'map', key: string, value: string): void => {
    const known = sets.get(name) ?? { kind, definition: undefined, elements: new Map() }
    known.elements.set(key, value)
    sets.set(name, known)
  }
  for (const address of addresses) {
    const digit = ipFamily(address)
    put(`known${digit}`, 'set', address, '')
    for (const direction of directions) {
      for (const [stage, id] of Object.entries(profiles[direction]) as [Stage, string][]) {
        // NetworkPolicy always decides; the tiers come back when they did not.
        const verb = stage === 'NetworkPolicy' ? 'goto' : 'jump'
        put(`${stageWords[stage]}-${direction}${digit}`, 'map', address, `${verb} ${profileName(id)}`)
      }
    }
  }
  return { chains: new Map(), sets }
}

const profileName = (id: string): string => `pods-${id}`
const chainName = (id: string, label: string): string => `rules-${id}-${label}`.slice(0, 120)

/** The policies that are asked for some Pods; `labelOf` names a chain. */
export function renderProfile({ id, stage, direction, chains: asked }: PolicyProfile, labelOf: (chain: string) => string): TableContent {
  const toOwnNode = families.map(({ digit, ip }) => `${ip} daddr @own${digit} accept`)
  const rules = [
    ...(stage === 'NetworkPolicy' && direction === 'egress' ? toOwnNode : []),
    ...asked.map(chain => `jump ${chainName(chain, labelOf(chain))}`),
    ...(stage === 'NetworkPolicy' ? ['drop'] : []),
  ]
  return { chains: new Map([[profileName(id), chain(rules)]]), sets: new Map() }
}

/** The rules of one policy in one direction. */
export const renderChain = ({ id, policy, stage, direction, rules }: PolicyChain): TableContent => ({
  chains: new Map([[chainName(id, policy), chain(rules.flatMap(rule => ruleLines(rule, stage, direction)))]]),
  sets: new Map(),
})

function ruleLines({ action, peers, ports }: PolicyRule, stage: Stage, direction: Direction): readonly string[] {
  const verdict = action === 'deny' ? 'drop' : action === 'accept' ? allowed(direction) : nextStage[stage](direction)
  const portWords = (of: Family): readonly string[] => (ports === undefined ? [''] : ports.map(each => portText(each, of)))
  if (peers === undefined) {
    const isNamed = ports?.some(({ kind }) => kind === 'named') ?? false
    const texts = isNamed ? families.flatMap(portWords) : portWords(families[0])
    return [...new Set(texts)].map(text => `${text}${verdict}`)
  }
  return families.flatMap(family =>
    peers.flatMap(peer => portWords(family).map(text => `${peerText(peer, direction, family)}${text}${verdict}`)),
  )
}

type Family = (typeof families)[number]

const peerText = ({ kind, id }: PeerCondition, direction: Direction, { ip, digit }: Family): string =>
  `${ip} ${direction === 'egress' ? 'daddr' : 'saddr'} @${kind === 'group' ? 'group' : 'nets'}${digit}-${id} `

function portText(condition: PortCondition, { ip, digit }: Family): string {
  switch (condition.kind) {
    case 'set':
      return `meta l4proto . th dport @ports-${condition.id} `
    case 'named':
      return `${ip} daddr . meta l4proto . th dport @named${digit}-${condition.id} `
    case 'range': {
      const { protocol, from, to } = condition.range
      if (from === 0 && to === 65_535) return `meta l4proto ${protocol} `
      return `${protocol} dport ${from === to ? from : `${from}-${to}`} `
    }
  }
}

const ofFamily = (addresses: Iterable<Ip>, digit: string): readonly Ip[] => [...addresses].filter(ip => `${ipFamily(ip)}` === digit)

export const renderGroup = ({ id, addresses }: AddressGroup): TableContent => ({
  chains: new Map(),
  sets: new Map(families.map(({ digit, type }) => [`group${digit}-${id}`, set(`type ${type}`, ofFamily(addresses, digit))])),
})

export const renderNets = ({ id, ranges }: NetGroup): TableContent => ({
  chains: new Map(),
  sets: new Map(
    families.map(({ digit, type }) => [
      `nets${digit}-${id}`,
      set(`type ${type}; flags interval`, ranges.filter(range => `${cidrParts(range).family}` === digit).map(rangeText)),
    ]),
  ),
})

/** As nft prints a range; one address stands alone. */
function rangeText(cidr: Cidr): string {
  const { base, prefix, family } = cidrParts(cidr)
  return prefix === (family === 4 ? 32 : 128) ? base : cidr
}

export const renderNamedPorts = ({ id, protocol, ports }: NamedPortGroup): TableContent => ({
  chains: new Map(),
  sets: new Map(
    families.map(({ digit, type }) => [
      `named${digit}-${id}`,
      set(
        `type ${type} . inet_proto . inet_service`,
        ports.filter(({ address }) => `${ipFamily(address)}` === digit).map(({ address, port }) => `${address} . ${protocol} . ${port}`),
      ),
    ]),
  ),
})

export const renderPortSet = ({ id, ranges }: PortSet): TableContent => ({
  chains: new Map(),
  sets: new Map([[`ports-${id}`, set('type inet_proto . inet_service; flags interval', ranges.map(portRangeText))]]),
})

const portRangeText = ({ protocol, from, to }: PortRange): string => `${protocol} . ${from === to ? from : `${from}-${to}`}`
