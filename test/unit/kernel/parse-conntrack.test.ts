import t from 'tap'

import { parseConntrack } from '../../../src/kernel/parse-conntrack.js'

// As conntrack 1.4.7 prints them.
const text = `\
ipv4     2 icmp     1 29 src=127.0.0.1 dst=127.0.0.1 type=8 code=0 id=13206 src=127.0.0.1 dst=127.0.0.1 type=0 code=0 id=13206 mark=0 use=1 id=3772463172
ipv4     2 tcp      6 119 TIME_WAIT src=10.0.0.1 dst=10.96.0.10 sport=53872 dport=80 src=127.0.0.1 dst=10.0.0.1 sport=8080 dport=53872 [ASSURED] mark=16384 use=1 id=2950861829
ipv4     2 tcp      6 60 SYN_SENT2 src=10.0.0.1 dst=10.96.0.10 sport=1 dport=80 [UNREPLIED] src=127.0.0.1 dst=10.0.0.1 sport=8080 dport=1 mark=0 use=1 id=5
ipv6     10 udp      17 29 src=fd00::1 dst=fd00:96::10 sport=48810 dport=53 [UNREPLIED] src=fd00::2 dst=fd00::1 sport=5353 dport=48810 mark=0 use=1 id=2726202790
conntrack v1.4.7 (conntrack-tools): 4 flow entries have been shown.
`

t.test('entries of every protocol', async t => {
  const [icmp, tcp, opening, udp, ...more] = parseConntrack(text)
  t.strictSame(more, [])
  t.strictSame(icmp, {
    id: 3772463172,
    protocol: 'icmp',
    timeoutSeconds: 29,
    orig: { src: '127.0.0.1', dst: '127.0.0.1' },
    reply: { src: '127.0.0.1', dst: '127.0.0.1' },
    isAssured: false,
    isUnreplied: false,
    mark: 0,
  })
  t.strictSame(tcp, {
    id: 2950861829,
    protocol: 'tcp',
    timeoutSeconds: 119,
    state: 'TIME_WAIT',
    orig: { src: '10.0.0.1', dst: '10.96.0.10', sport: 53872, dport: 80 },
    reply: { src: '127.0.0.1', dst: '10.0.0.1', sport: 8080, dport: 53872 },
    isAssured: true,
    isUnreplied: false,
    mark: 16384,
  })
  t.equal(opening?.state, 'SYN_SENT2')
  t.match(udp, { orig: { dst: 'fd00:96::10', dport: 53 }, reply: { src: 'fd00::2', sport: 5353 }, isUnreplied: true, state: undefined })
})

t.test('what is no entry is left out', async t => {
  t.strictSame(parseConntrack('\nnonsense\nipv4 2 udp 17 29 src=1.1.1.1 dst=2.2.2.2 id=1\n'), [])
})
