import t from 'tap'
import { decodePacket } from '../../../src/base/net/decode-packet.js'
import type { Headers, Place } from '../../../src/base/net/path.js'
import type { Expectation, ExpectedHop, ExpectedPath } from '../../../src/flow/expectation.js'
import { judge } from '../../../src/flow/judge.js'
import type { Sighting, Trace } from '../../../src/flow/trace.js'
import { ethernet, ipv4, tcp } from '../../support/frames.js'

const subject = decodePacket(ethernet({}, ipv4({ protocol: 6 }, tcp({}))), 1)

/** `a:vxlan out` with these headers on top of a SYN's. */
let frame = 0
function seen(at: string, headers: Partial<Headers> = {}): Sighting {
  const [where = '', dir = 'in'] = at.split(' ')
  const [owner = '', port = ''] = where.split(':')
  const place: Place = { owner, ownerKind: owner.length === 1 ? 'host' : 'pod', port: port as Place['port'] }
  const base: Headers = {
    src: '10.0.0.1',
    dst: '10.0.0.2',
    sport: 1,
    dport: 80,
    proto: 'tcp',
    flags: 'SYN',
    ttl: 64,
    ethSrc: '02:00:00:00:00:01',
  }
  frame++
  return {
    place,
    owner,
    host: owner,
    interface: port,
    dir: dir as 'in' | 'out',
    timeNs: BigInt(frame),
    sequence: frame,
    frame,
    subject,
    headers: { ...base, ...headers },
  }
}

function hop(at: string, more: Partial<ExpectedHop> = {}): ExpectedHop {
  const [where = '', dir] = at.split(' ')
  const [owner = '', port = ''] = where.split(':')
  return {
    at: where,
    place: { owner, port: port as Place['port'] },
    dir: dir as 'in' | 'out' | undefined,
    see: {},
    changed: undefined,
    why: undefined,
    isOptional: false,
    where: 'x.flow.yaml:1:1',
    ...more,
  }
}
const changed = (...names: readonly NonNullable<ExpectedHop['changed']>['must'][number][]) => ({ changed: { must: names, may: [] } })

const trace = (path: readonly Sighting[], more: Partial<Trace> = {}): Trace => ({
  attempts: [path],
  reply: [],
  all: path,
  conntrack: [],
  ...more,
})
const expects = (path: ExpectedPath, more: Partial<Expectation> = {}, isStrict = false): Expectation => ({
  legs: [{ name: 'flow', exchange: 0, path, reply: undefined, isStrict }],
  never: [],
  conntrack: [],
  ...more,
})
const told = (trace: Trace, expectation: Expectation): readonly string[] =>
  judge([trace], expectation).findings.map(({ severity, message }) => `${severity} ${message}`)

const way = () => [
  seen('pod:eth0 out'),
  seen('a:veth in'),
  seen('a:bridge in'),
  seen('a:vxlan out', { ttl: 63, ethSrc: '02:00:00:00:00:0a' }),
  seen('a:uplink out', { ttl: 63, ethSrc: '02:00:00:00:00:0a', outer: { proto: 'udp', vni: 1, src: '1.1.1.1' } }),
]

t.test('what went as it must', async t => {
  const path = [
    hop('pod:eth0 out', { see: { src: '10.0.0.1', ttl: 64 } }),
    hop('a:veth in', changed()),
    hop('a:bridge in', changed()),
    hop('a:vxlan out', { ...changed('ttl', 'mac'), see: { ttl: 63 } }),
    hop('a:uplink out', { ...changed('encap'), see: { outer: { vni: 1 } } }),
  ]
  t.strictSame(told(trace(way()), expects(path, {}, true)), [])
  t.strictSame(
    told(trace(way()), expects(path.filter(({ at }) => !/veth|bridge/.test(at)))),
    [],
    'the inner ends of a node need not be named',
  )
  t.strictSame(
    told(
      trace(way()),
      expects([path[0]!, '...' as const, path[4]!].map(each => (typeof each === 'string' ? each : { ...each, changed: undefined }))),
    ),
    [],
    'a gap',
  )
})

t.test('where it differs', async t => {
  const cases: Record<string, readonly [path: ExpectedPath, isStrict: boolean, message: RegExp]> = {
    'a hop is missing': [
      [hop('pod:eth0 out'), hop('b:uplink in')],
      false,
      /^fail b:uplink in: the packet did not come by here; it was last seen at a\/uplink out/,
    ],
    'an unnamed hop': [
      [hop('pod:eth0 out'), hop('a:uplink out')],
      false,
      /^fail before a:uplink out the packet came by a\/vxlan out, where it is not expected/,
    ],
    'an unnamed inner end when strict': [[hop('pod:eth0 out'), hop('a:bridge in'), '...'], true, /came by a\/veth in/],
    'it goes on after the end': [
      [hop('pod:eth0 out'), hop('a:bridge in')],
      false,
      /^fail after its end the packet also came by a\/vxlan out/,
    ],
    'another header': [
      [hop('pod:eth0 out', { see: { dst: '10.0.0.9' } }), '...'],
      false,
      /^fail pod:eth0 out: dst is 10\.0\.0\.2, not 10\.0\.0\.9/,
    ],
    'a header that it has not': [[hop('pod:eth0 out', { see: { outer: { vni: 1 } } }), '...'], false, /it has no outer header/],
    'another outer header': [['...', hop('a:uplink out', { see: { outer: { vni: 2 } } })], false, /outer vni is 1, not 2/],
    'something changed that must not': [
      [hop('pod:eth0 out'), '...', hop('a:vxlan out', changed('mac')), '...'],
      false,
      /ttl changed from 64 to 63/,
    ],
    'something must change and does not': [
      [hop('pod:eth0 out'), hop('a:veth in', changed('dst')), '...'],
      false,
      /^fail a:veth in: dst did not change/,
    ],
    'a direction': [[hop('pod:eth0 in'), '...'], false, /pod:eth0 in: the packet did not come by here/],
  }
  for (const [name, [path, isStrict, want]] of Object.entries(cases)) {
    const messages = told(trace(way()), expects(path, {}, isStrict))
    t.equal(messages.length, 1, `${name}: one finding, the first difference`)
    t.match(messages[0], want, name)
  }
  t.match(told(trace([]), expects([hop('pod:eth0 out')]))[0], /it was seen nowhere/)
})

t.test('a finding has the frame and the nearest packet', async t => {
  const sightings = way()
  const { findings } = judge(
    [trace(sightings)],
    expects([hop('pod:eth0 out'), '...', hop('a:uplink out', { see: { ttl: 1 }, why: 'because' })]),
  )
  t.match(findings[0], { frame: sightings[4]!.frame, where: 'x.flow.yaml:1:1', why: 'because' })
  t.match(findings[0]?.nearest, 'a/uplink out: 10.0.0.1:1 → 10.0.0.2:80 TCP SYN ttl 63 in VXLAN vni 1')
})

t.test('what a capture does not show cannot be told', async t => {
  t.match(told(trace(way()), expects([hop('pod:eth0 out', { see: { ethDst: '02:00:00:00:00:ff' } }), '...'])), [
    /^error .*does not show ethDst/,
  ])
  t.strictSame(
    told(trace(way()), expects([hop('pod:eth0 out'), hop('a:veth in', changed('mac')), '...'])),
    [],
    'nor can a change of the destination MAC be ruled out',
  )
})

t.test('an optional hop may be there or not; the next is compared with the one before it', async t => {
  const detour = [
    seen('pod:eth0 out'),
    seen('a:bridge out', { dst: '10.0.0.9', ethSrc: '02:00:00:00:00:bb' }),
    seen('a:veth out', { dst: '10.0.0.9' }),
  ]
  const path = [hop('pod:eth0 out'), hop('a:bridge out', { ...changed('dst', 'mac'), isOptional: true }), hop('a:veth out', changed('dst'))]
  t.strictSame(told(trace(detour), expects(path, {}, true)), [])
  t.strictSame(told(trace([detour[0]!, detour[2]!]), expects(path, {}, true)), [])
})

t.test('forbidden places; bare and inside a tunnel are two things', async t => {
  const rule = (see: object) => ({
    at: '*:uplink',
    place: { owner: '*', port: 'uplink' as const },
    dir: undefined,
    see,
    why: 'because',
    where: 'w',
  })
  const never = (see: object): Partial<Expectation> => ({ never: [rule(see)] })
  t.strictSame(told(trace(way()), expects(['...'], never({ src: '10.0.0.1' }))), [], 'the tunnelled packet is not bare')
  t.match(told(trace(way()), expects(['...'], never({ src: '10.0.0.1', outer: { vni: 1 } }))), [
    'fail *:uplink must not see this packet: because',
  ])
  const bare = [seen('a:uplink out')]
  t.match(
    told(trace([], { all: bare }), expects(['...'], never({ src: '10.0.0.1' }))),
    ['fail *:uplink must not see this packet: because'],
    'any packet seen meanwhile counts',
  )
})

t.test('a retransmission that arrives is a warning', async t => {
  const lost = [seen('pod:eth0 out')]
  t.match(told({ ...trace(lost), attempts: [lost, way()] }, expects([hop('pod:eth0 out'), '...', hop('a:uplink out')])), [
    /^warn the first attempt was lost .* number 2 arrived/,
  ])
  t.match(told({ ...trace(lost), attempts: [lost, [seen('pod:eth0 out')]] }, expects([hop('pod:eth0 out'), '...', hop('a:uplink out')])), [
    /^fail/,
  ])
})

t.test('what did not arrive is not told a second time as unanswered', async t => {
  const expectation = {
    ...expects([hop('b:eth0 in')]),
    legs: [{ name: 'flow', exchange: 0, path: [hop('b:eth0 in')], reply: [hop('b:eth0 out')], isStrict: false }],
  }
  t.equal(told(trace([seen('pod:eth0 out')]), expectation).length, 1)
  const arrived = { ...expectation, legs: [{ ...expectation.legs[0]!, path: [hop('pod:eth0 out')] }] }
  t.match(told(trace([seen('pod:eth0 out')]), arrived), [/^fail b:eth0 out: .* seen nowhere/])
})

t.test('conntrack entries', async t => {
  const entry = {
    host: 'a',
    protocol: 'tcp',
    orig: { src: '1', dst: '2', sport: 5, dport: 80 },
    reply: { src: '3', dst: '1', sport: 8080, dport: 5 },
    state: 'ESTABLISHED ASSURED',
    nat: ['dnat' as const],
  }
  const wants = { on: 'a', orig: { src: '1' }, reply: { src: '3' }, state: 'ASSURED', nat: ['dnat' as const], where: 'w' }
  const findings = (change: object) =>
    told(trace(way(), { conntrack: [entry] }), expects(['...'], { conntrack: [{ ...wants, ...change }] }))
  t.strictSame(findings({}), [])
  t.match(findings({ reply: { src: '4' } }), [/nearest differs in its reply tuple: 1:5 → 2:80, reply 3:8080 → 1:5/])
  t.match(findings({ state: 'SYN_SENT' }), [/its state ESTABLISHED ASSURED/])
  t.match(findings({ nat: ['snat', 'dnat'] }), [/its translation \(dnat\)/])
  t.match(findings({ on: 'b' }), [/^fail b tracks no such flow/])
})

t.test('a leg that was not sent fails', async t => {
  t.match(
    told(trace(way()), { ...expects(['...']), legs: [{ name: 'use', exchange: 1, path: ['...'], reply: undefined, isStrict: false }] }),
    [/^fail leg use was not sent/],
  )
})
