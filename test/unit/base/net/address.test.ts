import { isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import t from 'tap'

import { isPodwireError } from '../../../../src/base/errors/podwire-error.js'
import {
  type Cidr,
  cidrContains,
  cidrSize,
  cidrsOverlap,
  commonPrefixLength,
  indexInCidr,
  ipFromBytes,
  ipToBytes,
  isIp,
  nthAddress,
  nthSubnet,
  parseCidr,
  parseInterfaceAddress,
  parseIp,
} from '../../../../src/base/net/address.js'

t.test('canonical text', async t => {
  const cases: Record<string, string> = {
    '10.0.0.1': '10.0.0.1',
    '0.0.0.0': '0.0.0.0',
    '::': '::',
    '::1': '::1',
    'FD00:0:0:0:0:0:0:5': 'fd00::5',
    '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1',
    '2001:0:0:1:0:0:0:1': '2001:0:0:1::1',
    '2001:db8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    '::ffff:10.1.2.3': '::ffff:10.1.2.3',
    '1:2:3:4:5:6:7::': '1:2:3:4:5:6:7:0',
  }
  for (const [text, want] of Object.entries(cases)) t.equal(parseIp(text), want, text)
})

t.test('what two addresses have in common', async t => {
  const shared = (a: string, b: string) => commonPrefixLength(parseIp(a), parseIp(b))
  t.equal(shared('10.0.0.1', '10.0.0.1'), 32)
  t.equal(shared('10.0.0.1', '138.0.0.1'), 0)
  t.equal(shared('10.0.0.4', '10.0.0.6'), 30)
  t.equal(shared('fd00:10:244:1::1', 'fd00:10:244:1::5'), 125)
  t.equal(shared('fd00:172:30::b', 'fd00:10:244:1::5'), 23)
})

t.test('what is no address is refused', async t => {
  for (const text of [
    '',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.1/8',
    ':',
    ':::',
    '1::2::3',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7:8:9',
    '1.2.3.4::',
    '::1.2.3',
    'g::',
    '1:2:3:4:5:6:7:8::',
  ]) {
    t.equal(isIp(text), false, text)
    t.throws(() => parseIp(text), { code: 'CONFIG_INVALID' }, text)
  }
})

t.test('parseIp agrees with node:net about random text and random bytes', async () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9a-f:.]{0,24}$/), text => {
      return isIp(text) === (isIPv4(text) || isIPv6(text))
    }),
    { numRuns: 5000 },
  )
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })), bytes => {
      const ip = ipFromBytes(bytes)
      return parseIp(ip) === ip && Buffer.from(ipToBytes(ip)).equals(Buffer.from(bytes)) && (isIPv4(ip) || isIPv6(ip))
    }),
  )
})

t.test('ranges', async t => {
  t.equal(parseCidr('10.244.0.0/16'), '10.244.0.0/16')
  t.equal(parseCidr('FD00::/64'), 'fd00::/64')
  t.same(parseInterfaceAddress('10.244.1.5/24'), { ip: '10.244.1.5', prefix: 24, cidr: '10.244.1.0/24' })
  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/08', 'fd00::/129', '10.0.0.0/', '/8', '10.0.0.0/8/8']) {
    t.throws(() => parseCidr(text), { code: 'CONFIG_INVALID' }, text)
  }
  const error = t.throws(() => parseCidr('10.244.1.5/24'))
  t.ok(isPodwireError(error, 'CONFIG_INVALID') && error.hint === 'Write 10.244.1.0/24.', 'the hint shows the range that was meant')
})

t.test('contains, overlaps, nth', async t => {
  const pods = parseCidr('10.244.0.0/16')
  t.ok(cidrContains(pods, parseIp('10.244.255.255')))
  t.notOk(cidrContains(pods, parseIp('10.245.0.0')))
  t.notOk(cidrContains(pods, parseIp('::ffff:10.244.0.1')), 'the other family is outside')
  t.ok(cidrsOverlap(pods, parseCidr('10.244.3.0/24')))
  t.ok(cidrsOverlap(parseCidr('10.244.3.0/24'), pods))
  t.notOk(cidrsOverlap(parseCidr('172.30.0.0/24'), pods))
  t.ok(cidrsOverlap(parseCidr('0.0.0.0/0'), pods))
  t.equal(nthAddress(pods, 257), '10.244.1.1')
  t.equal(nthAddress(parseCidr('fd00::/64'), 2n ** 32n), 'fd00::1:0:0')
  t.throws(() => nthAddress(parseCidr('10.0.0.0/30'), 4), { code: 'ADDRESS_EXHAUSTED' })
  t.throws(() => nthAddress(parseCidr('10.0.0.0/30'), -1), { code: 'ADDRESS_EXHAUSTED' })
  t.equal(cidrSize(parseCidr('10.0.0.0/30')), 4n)
  t.equal(nthSubnet(pods, 24, 3), '10.244.3.0/24')
  t.throws(() => nthSubnet(pods, 24, 256), { code: 'ADDRESS_EXHAUSTED' })
  t.equal(indexInCidr(pods, parseIp('10.244.1.1')), 257n)
  t.equal(indexInCidr(pods, parseIp('10.243.1.1')), undefined)
})

t.test('nthAddress and indexInCidr are inverse', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.integer({ min: 8, max: 32 }), fc.nat(), (bytes, prefix, n) => {
      const { cidr } = parseInterfaceAddress(`${ipFromBytes(bytes)}/${prefix}`)
      const index = BigInt(n) % cidrSize(cidr as Cidr)
      const ip = nthAddress(cidr, index)
      return cidrContains(cidr, ip) && indexInCidr(cidr, ip) === index
    }),
  )
})
