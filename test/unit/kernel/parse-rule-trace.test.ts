/** Lines of `nft monitor trace`, recorded where iptables and nftables put Services into the kernel. */
import t from 'tap'
import { RuleTraceParser } from '../../../src/kernel/parse-rule-trace.js'

const packet =
  'packet: iif "cni0" ether saddr 0a:58:0a:f4:01:02 ether daddr 0a:58:0a:f4:01:01 ip saddr 10.244.1.2 ip daddr 10.96.1.2 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 5289 ip length 60 tcp sport 22307 tcp dport 80 tcp flags == syn tcp window 64860 '

const parse = (...lines: readonly string[]) => {
  const parser = new RuleTraceParser()
  for (const line of lines) parser.push(line)
  return parser.visits
}

t.test('one visit of a base chain, with every rule that the packet matched', async t => {
  const [visit, ...others] = parse(
    `trace id 29bdc24b ip nat PREROUTING ${packet}`,
    'trace id 29bdc24b ip nat PREROUTING rule  counter packets 136 bytes 11176 jump KUBE-SERVICES (verdict jump KUBE-SERVICES)',
    'trace id 29bdc24b ip nat KUBE-SERVICES rule meta l4proto tcp ip daddr 10.96.1.2  tcp dport 80 counter packets 4 bytes 240 jump KUBE-SVC-6P (verdict jump KUBE-SVC-6P)',
    'trace id 29bdc24b ip nat KUBE-SEP-NL rule meta l4proto tcp   counter packets 6 bytes 360 dnat to 10.244.1.3:8080 (verdict accept)',
  )
  t.strictSame(others, [])
  t.match(visit, {
    family: 'ip',
    table: 'nat',
    chain: 'PREROUTING',
    packet: { iif: 'cni0', oif: undefined, src: '10.244.1.2', dst: '10.96.1.2', ipId: 5289, sport: 22307, dport: 80 },
    verdict: 'accept',
    isByPolicy: false,
  })
  t.strictSame(
    visit?.rules.map(({ chain, verdict }) => `${chain} ${verdict}`),
    ['PREROUTING jump KUBE-SERVICES', 'KUBE-SERVICES jump KUBE-SVC-6P', 'KUBE-SEP-NL accept'],
  )
})

t.test('the policy of a chain decides what no rule did', async t => {
  const [visit] = parse(`trace id 1f ip filter FORWARD ${packet}`, 'trace id 1f ip filter FORWARD policy drop ')
  t.match(visit, { verdict: 'drop', isByPolicy: true, rules: [] })
})

t.test('an id that is used again begins another visit, and packets between each other are kept apart', async t => {
  const visits = parse(
    `trace id 1f ip filter FORWARD ${packet}`,
    `trace id 2e ip filter FORWARD ${packet.replace('id 5289', 'id 1')}`,
    'trace id 1f ip filter FORWARD rule ip saddr 10.244.1.2 drop (verdict drop)',
    'trace id 2e ip filter FORWARD policy accept ',
    `trace id 1f ip filter FORWARD ${packet.replace('id 5289', 'id 2')}`,
    'trace id 1f ip filter FORWARD policy accept ',
  )
  t.strictSame(
    visits.map(({ packet, verdict }) => [packet.ipId, verdict]),
    [
      [5289, 'drop'],
      [1, 'accept'],
      [2, 'accept'],
    ],
  )
})

t.test('IPv6 has a flow label where IPv4 has an identification', async t => {
  const [visit] = parse(
    'trace id 3a ip6 nat PREROUTING packet: iif "cni0" ether saddr 0a:58:0a:f4:01:02 ether daddr 0a:58:0a:f4:01:01 ip6 saddr fd00:244:1::2 ip6 daddr fd00:96::2 ip6 dscp cs0 ip6 ecn not-ect ip6 hoplimit 64 ip6 flowlabel 451237 ip6 nexthdr tcp ip6 length 40 tcp sport 22307 tcp dport 80 tcp flags == syn tcp window 64800 ',
    'trace id 3a ip6 nat PREROUTING policy accept ',
  )
  t.match(visit?.packet, { src: 'fd00:244:1::2', dst: 'fd00:96::2', ipId: undefined, flowLabel: 451237, payloadLength: 40, dport: 80 })
})

t.test('what does not belong to a packet that was told of is left out', async t => {
  t.strictSame(parse('', 'anything', 'trace id 9 ip filter FORWARD policy drop '), [])
})
