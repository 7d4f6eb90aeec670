import { type Cidr, cidrParts, type Ip, type IpFamily, ipFamily } from '../base/net/address.js'
import { type Chain, mergeContents, type NftSet, noContent, type TableContent } from '../kernel/nft-content.js'
import type { PeerCondition, PolicyRule, PolicyState, PortCondition, PortRange, Stage } from './policy-state.js'
import type { Direction } from './policy-world.js'
import type { StateRenderer } from './state-parts.js'

/** What begins the names of our chains in table mangle, and those of our sets. */
export const chainPrefix = 'PWPOL-'
export const setPrefix = (family: IpFamily): string => `pwpol${family}-`
/** The set of addresses whose rules are in. */
export const knownSet = (family: IpFamily): string => `${setPrefix(family)}known`

const own = (name: string): string => `${chainPrefix}${name}`
const stageNames: Readonly<Record<Stage, string>> = { Admin: 'ADMIN', NetworkPolicy: 'POLICY', Baseline: 'BASELINE' }
const stages = Object.keys(stageNames) as readonly Stage[]
const directions: readonly Direction[] = ['egress', 'ingress']
const stageChain = (stage: Stage, direction: Direction): string => own(`${stageNames[stage]}-${direction.toUpperCase()}`)

/** What the source's policies allow goes on to the destination's. */
const allowed = (direction: Direction): string => (direction === 'egress' ? `-g ${stageChain('Admin', 'ingress')}` : '-j ACCEPT')

/** Where a packet goes on that the stage has not decided about. */
const nextStage: Readonly<Record<Stage, (direction: Direction) => string>> = {
  Admin: direction => `-g ${stageChain('NetworkPolicy', direction)}`,
  NetworkPolicy: direction => `-g ${stageChain('Baseline', direction)}`,
  Baseline: allowed,
}

const chain = (rules: readonly string[], hook = ''): Chain => ({ hook, rules })
const setOf = (definition: string | undefined, elements: Iterable<string> = []): NftSet => ({
  kind: 'set',
  definition,
  elements: new Map([...elements].map(element => [element, ''])),
})
const chainsOnly = (chains: readonly (readonly [string, Chain])[]): TableContent => ({ chains: new Map(chains), sets: new Map() })
const setsOnly = (sets: readonly (readonly [string, NftSet])[]): TableContent => ({ chains: new Map(), sets: new Map(sets) })

const answers = ['-m conntrack --ctstate ESTABLISHED --ctdir REPLY -j ACCEPT', '-m conntrack --ctstate RELATED -j ACCEPT']
/** Router and neighbour discovery. */
const discovery = [133, 134, 135, 136, 137].map(type => `-p ipv6-icmp -m icmp6 --icmpv6-type ${type} -j ACCEPT`)

/**
 * A state as rules of table mangle, whose FORWARD sees the destination that Services were translated to and is before all that filter accepts, and IP sets.
 * The text of a rule is what iptables-save prints. The questions and their order are those of render-nftables.
 */
export function iptablesRenderer(family: IpFamily): StateRenderer {
  const length = family === 4 ? 32 : 128
  const inet = family === 4 ? 'family inet' : 'family inet6'
  const name = (kind: string, id: string): string => `${setPrefix(family)}${kind}-${id}`
  const ofFamily = (addresses: Iterable<Ip>): readonly Ip[] => [...addresses].filter(ip => ipFamily(ip) === family)
  const inSet = (set: string, field: string): string => `-m set --match-set ${set} ${field}`

  const peerText = ({ kind, id }: PeerCondition, direction: Direction): string =>
    inSet(name(kind, id), direction === 'egress' ? 'dst' : 'src')

  function ruleLines({ action, peers, ports }: PolicyRule, where: { stage: Stage; direction: Direction }, sets: PolicyState['portSets']) {
    const { stage, direction } = where
    const verdict = action === 'deny' ? '-j DROP' : action === 'accept' ? allowed(direction) : nextStage[stage](direction)
    const conditions = (peers ?? [undefined]).map(peer => (peer === undefined ? '' : peerText(peer, direction)))
    const matches = ports === undefined ? [{}] : ports.flatMap(each => portMatches(each, sets))
    return conditions.flatMap(condition =>
      matches.map(({ protocol, port }) => [protocol && `-p ${protocol}`, condition, port, verdict].filter(Boolean).join(' ')),
    )
  }

  function portMatches(condition: PortCondition, sets: PolicyState['portSets']): readonly { protocol?: string; port?: string }[] {
    switch (condition.kind) {
      case 'set':
        return (sets.get(condition.id)?.ranges ?? []).map(rangeMatch)
      case 'named':
        return [{ port: inSet(name('named', condition.id), 'dst,dst') }]
      case 'range':
        return [rangeMatch(condition.range)]
    }
  }

  return {
    base({ addresses, podRanges }) {
      const ownAddresses = ofFamily(addresses)
      const ranges = podRanges.filter(range => cidrParts(range).family === family)
      const unknown = ranges.flatMap(range => [
        `-s ${range} -m set ! --match-set ${knownSet(family)} src -j DROP`,
        `-d ${range} -m set ! --match-set ${knownSet(family)} dst -j DROP`,
      ])
      const toNode = ownAddresses.map(ip => `-d ${ip}/${length} -g ${stageChain('Admin', 'egress')}`)
      const judge = own('JUDGE')
      return mergeContents([
        chainsOnly([
          [own('FORWARD'), chain([`-g ${judge}`], 'FORWARD')],
          // IPVS sends on by OUTPUT, with a source that is not the node's.
          [own('OUTPUT'), chain([`-m addrtype ! --src-type LOCAL -g ${judge}`], 'OUTPUT')],
          [own('INPUT'), chain([...answers, ...toNode], 'INPUT')],
          [judge, chain([...answers, ...(family === 6 ? discovery : []), ...unknown, `-g ${stageChain('Admin', 'egress')}`])],
          [own('NODE'), chain(ownAddresses.map(ip => `-d ${ip}/${length} -j ACCEPT`))],
        ]),
        setsOnly([[knownSet(family), setOf(`hash:ip ${inet}`)]]),
      ])
    },

    profiles: all =>
      chainsOnly(
        stages.flatMap(stage =>
          directions.map(direction => {
            const asked = [...all.values()].filter(each => each.stage === stage && each.direction === direction)
            // NetworkPolicy always decides; the tiers come back when they did not.
            const verb = stage === 'NetworkPolicy' ? '-g' : '-j'
            const field = direction === 'egress' ? 'src' : 'dst'
            const ways = asked.map(({ id }) => `${inSet(name('pods', id), field)} ${verb} ${own(`P-${id}`)}`).sort()
            return [stageChain(stage, direction), chain([...ways, nextStage[stage](direction)])] as const
          }),
        ),
      ),

    profile: ({ id, stage, direction, chains: asked }) => ({
      chains: new Map([
        [
          own(`P-${id}`),
          chain([
            ...(stage === 'NetworkPolicy' && direction === 'egress' ? [`-j ${own('NODE')}`] : []),
            ...asked.map(each => `-j ${own(`R-${each}`)}`),
            ...(stage === 'NetworkPolicy' ? ['-j DROP'] : []),
          ]),
        ],
      ]),
      sets: new Map([[name('pods', id), setOf(`hash:ip ${inet}`)]]),
    }),

    pod({ addresses, profiles }) {
      const these = ofFamily(addresses)
      const ids = directions.flatMap(direction => Object.values(profiles[direction]))
      return setsOnly([knownSet(family), ...ids.map(id => name('pods', id))].map(set => [set, setOf(undefined, these)]))
    },

    chain: ({ id, stage, direction, rules }, portSets) =>
      chainsOnly([[own(`R-${id}`), chain(rules.flatMap(rule => ruleLines(rule, { stage, direction }, portSets)))]]),

    group: ({ id, addresses }) => setsOnly([[name('group', id), setOf(`hash:ip ${inet}`, ofFamily(addresses))]]),

    nets: ({ id, ranges }) =>
      setsOnly([
        [name('nets', id), setOf(`hash:net ${inet}`, ranges.filter(each => cidrParts(each).family === family).flatMap(netEntries))],
      ]),

    namedPorts: ({ id, protocol, ports }) =>
      setsOnly([
        [
          name('named', id),
          setOf(
            `hash:ip,port ${inet}`,
            ports.filter(({ address }) => ipFamily(address) === family).map(({ address, port }) => `${address},${protocol}:${port}`),
          ),
        ],
      ]),

    // Rules name each range.
    portSet: () => noContent,
  }
}

function rangeMatch({ protocol, from, to }: PortRange): { readonly protocol: string; readonly port?: string } {
  if (from === 0 && to === 65_535) return { protocol }
  return { protocol, port: `-m ${protocol} --dport ${from === to ? from : `${from}:${to}`}` }
}

/** As ipset prints a range; it has none of length 0, and one address stands alone. */
function netEntries(cidr: Cidr): readonly string[] {
  const { base, prefix, family } = cidrParts(cidr)
  if (prefix === 0) return family === 4 ? ['0.0.0.0/1', '128.0.0.0/1'] : ['::/1', '8000::/1']
  return [prefix === (family === 4 ? 32 : 128) ? base : cidr]
}
