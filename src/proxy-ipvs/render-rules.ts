import type { IpFamily } from '../base/net/address.js'
import type { NodeFacts } from '../service-model/service-state.js'
import { type SetId, setName } from './object-names.js'

/** Rules by chain, each as `iptables-save` prints it after `-A CHAIN `. */
export type ChainRules = ReadonlyMap<string, readonly string[]>
export interface Ruleset {
  readonly nat: ChainRules
  readonly filter: ChainRules
}

const comment = (text: string): string => `-m comment --comment "${text}"`

/** The jumps from the kernel's own chains, in the order they are to stand there. */
export const jumps: Ruleset = {
  nat: new Map<string, readonly string[]>([
    ['PREROUTING', [`${comment('kubernetes service portals')} -j KUBE-SERVICES`]],
    ['OUTPUT', [`${comment('kubernetes service portals')} -j KUBE-SERVICES`]],
    ['POSTROUTING', [`${comment('kubernetes postrouting rules')} -j KUBE-POSTROUTING`]],
  ]),
  filter: new Map([
    [
      'INPUT',
      [
        `${comment('kube-proxy firewall rules')} -j KUBE-PROXY-FIREWALL`,
        `${comment('kubernetes health check rules')} -j KUBE-NODE-PORT`,
        `${comment('kubernetes ipvs access filter')} -j KUBE-IPVS-FILTER`,
      ],
    ],
    [
      'FORWARD',
      [`${comment('kube-proxy firewall rules')} -j KUBE-PROXY-FIREWALL`, `${comment('kubernetes forwarding rules')} -j KUBE-FORWARD`],
    ],
    ['OUTPUT', [`${comment('kubernetes ipvs access filter')} -j KUBE-IPVS-OUT-FILTER`]],
  ]),
}

/**
 * The rules, which are the same whatever the Services are: those are looked up in sets. `outRules` alone come from Services.
 *
 * A packet to a Service passes PREROUTING (or OUTPUT, when it is the node's own) and INPUT with the Service's address; then IPVS rewrites the destination and
 * sends it through OUTPUT and POSTROUTING. It never passes FORWARD; the answers do.
 */
export function renderRules(node: NodeFacts, outRules: readonly string[]): Ruleset {
  const { family, masqueradeMark } = node
  const inSet = (id: SetId, ...parts: readonly ('src' | 'dst')[]): string => `-m set --match-set ${setName(id, family)} ${parts.join(',')}`
  const to = (id: SetId): string => inSet(id, 'dst', 'dst')
  const mark = `0x${masqueradeMark.toString(16)}`
  const serviceAddresses: readonly SetId[] = ['CLUSTER-IP', 'EXTERNAL-IP', 'EXTERNAL-IP-LOCAL', 'LOAD-BALANCER']
  return {
    nat: new Map<string, readonly string[]>([
      ...jumps.nat,
      ['KUBE-MARK-MASQ', [`-j MARK --set-xmark ${mark}/${mark}`]],
      ['KUBE-LOAD-BALANCER', [`${to('LOAD-BALANCER-LOCAL')} -j RETURN`, '-j KUBE-MARK-MASQ']],
      [
        'KUBE-NODE-PORT',
        [
          `-p tcp ${inSet('NODE-PORT-LOCAL-TCP', 'dst')} -j RETURN`,
          `-p tcp ${inSet('NODE-PORT-TCP', 'dst')} -j KUBE-MARK-MASQ`,
          `-p udp ${inSet('NODE-PORT-LOCAL-UDP', 'dst')} -j RETURN`,
          `-p udp ${inSet('NODE-PORT-UDP', 'dst')} -j KUBE-MARK-MASQ`,
          `-p sctp ${to('NODE-PORT-LOCAL-SCTP-HASH')} -j RETURN`,
          `-p sctp ${to('NODE-PORT-SCTP-HASH')} -j KUBE-MARK-MASQ`,
        ],
      ],
      [
        'KUBE-SERVICES',
        [
          clusterIpMark(node),
          `${to('EXTERNAL-IP')} -j KUBE-MARK-MASQ`,
          `${to('LOAD-BALANCER')} -j KUBE-LOAD-BALANCER`,
          // These addresses are local too, on the Service device: no port of theirs is a NodePort.
          ...serviceAddresses.map(id => `${to(id)} -j RETURN`),
          '-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT',
        ],
      ],
      [
        'KUBE-POSTROUTING',
        [
          `${comment('Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose')} ${inSet('LOOP-BACK', 'dst', 'dst', 'src')} -j MASQUERADE`,
          `-m mark ! --mark ${mark}/${mark} -j RETURN`,
          // The mark is taken off, lest a packet that comes by here twice (through a tunnel) be masqueraded twice.
          `-j MARK --set-xmark ${mark}/0x0`,
          `${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
        ],
      ],
    ]),
    filter: new Map<string, readonly string[]>([
      ...jumps.filter,
      [
        'KUBE-FORWARD',
        [
          `${comment('kubernetes forwarding rules')} -m mark --mark ${mark}/${mark} -j ACCEPT`,
          `${comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
        ],
      ],
      ['KUBE-NODE-PORT', [`${comment('Kubernetes health check node port')} ${inSet('HEALTH-CHECK-NODE-PORT', 'dst')} -j ACCEPT`]],
      [
        'KUBE-SOURCE-RANGES-FIREWALL',
        [
          `${inSet('LOAD-BALANCER-SOURCE-CIDR', 'dst', 'dst', 'src')} -j RETURN`,
          `${inSet('LOAD-BALANCER-SOURCE-IP', 'dst', 'dst', 'src')} -j RETURN`,
          '-j DROP',
        ],
      ],
      ['KUBE-PROXY-FIREWALL', [`${to('LOAD-BALANCER-FW')} -j KUBE-SOURCE-RANGES-FIREWALL`]],
      [
        'KUBE-IPVS-FILTER',
        [
          // The addresses answer to ping, as any of the node's.
          `-p ${family === 4 ? 'icmp' : 'ipv6-icmp'} -j RETURN`,
          ...serviceAddresses.map(id => `${to(id)} -j RETURN`),
          `${inSet('HEALTH-CHECK-NODE-PORT', 'dst')} -j RETURN`,
          `-m conntrack --ctstate NEW ${inSet('IPVS-IPS', 'dst')} -j REJECT --reject-with ${portUnreachable(family)}`,
        ],
      ],
      ['KUBE-IPVS-OUT-FILTER', outRules],
    ]),
  }
}

const portUnreachable = (family: IpFamily): string => (family === 4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable')

/** Whose packets to a ClusterIP get the node's address: everybody's, those that are not from Pods, or at least the node's own, which bear a Service's address. */
function clusterIpMark({ family, masqueradeAll, localDetector }: NodeFacts): string {
  const name = setName('CLUSTER-IP', family)
  const purpose = comment('Kubernetes service cluster ip + port for masquerade purpose')
  const mark = (set: string, match = ''): string => `${match}${purpose} -m set --match-set ${name} ${set} -j KUBE-MARK-MASQ`
  if (masqueradeAll) return mark('dst,dst')
  if (localDetector === undefined) return mark('src,dst')
  return mark('dst,dst', localDetector.by === 'source' ? `! -s ${localDetector.cidr} ` : `! -i ${localDetector.name} `)
}
