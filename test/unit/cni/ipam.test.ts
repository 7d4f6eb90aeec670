import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t, { type Test } from 'tap'

import { parseCidr, parseIp } from '../../../src/base/net/address.js'
import { type RangeSet, RangeSetText, wholeRange } from '../../../src/cni/address-range.js'
import { cniErrorAnswer } from '../../../src/cni/cni-error.js'
import { openIpam } from '../../../src/cni/ipam.js'

const folder = (test: Test): string => {
  const dir = mkdtempSync(join(tmpdir(), 'podwire-ipam-'))
  test.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
const owner = (containerId: string, ifname = 'eth0') => ({ containerId, ifname })
const set = (text: string): RangeSet => [wholeRange(parseCidr(text))]
const range = set('10.244.1.0/29')

t.test('addresses are given in turn, without network, gateway and broadcast', async t => {
  const ipam = openIpam(folder(t), [range])
  const take = async (name: string) => (await ipam.allocate(owner(name)))[0]?.address
  const first = [await take('a'), await take('b'), await take('c')]
  t.strictSame(first, ['10.244.1.2', '10.244.1.3', '10.244.1.4'])
  await ipam.release(owner('a'))
  t.strictSame([await take('d'), await take('e')], ['10.244.1.5', '10.244.1.6'], 'the freed one rests')
  t.strictSame(await take('f'), '10.244.1.2')
  await t.rejects(take('g'), { code: 'ADDRESS_EXHAUSTED', message: 'all 5 Pod addresses of 10.244.1.0/29 are in use' })
  t.strictSame(ipam.exhausted(), [range])
  await ipam.release(owner('b'))
  t.strictSame(ipam.exhausted(), [])
})

t.test('an owner keeps its address, another interface gets its own', async t => {
  const dir = folder(t)
  const ipam = openIpam(dir, [range])
  const [one] = await ipam.allocate(owner('a'))
  t.strictSame(one, { address: '10.244.1.2', subnet: '10.244.1.0/29', gateway: '10.244.1.1' })
  t.strictSame(await openIpam(dir, [range]).allocate(owner('a')), [one], 'also after a restart')
  t.equal((await ipam.allocate(owner('a', 'net1')))[0]?.address, '10.244.1.3')
  await ipam.release(owner('a'))
  t.strictSame([...ipam.list()], [['10.244.1.3', owner('a', 'net1')]])
  await ipam.release(owner('a'))
  t.equal((await openIpam(dir, [range]).allocate(owner('b')))[0]?.address, '10.244.1.4', 'the turn goes on after a restart')
})

t.test('one of each range, or none', async t => {
  const dir = folder(t)
  const small = set('10.9.0.0/30')
  const ipam = openIpam(dir, [range, small, set('fd00::/64')])
  t.strictSame(
    (await ipam.allocate(owner('a'))).map(({ address, gateway }) => [address, gateway]),
    [
      ['10.244.1.2', '10.244.1.1'],
      ['10.9.0.2', '10.9.0.1'],
      ['fd00::2', 'fd00::1'],
    ],
  )
  await t.rejects(ipam.allocate(owner('b')), { code: 'ADDRESS_EXHAUSTED', message: /10\.9\.0\.0\/30/ })
  t.equal(ipam.list().size, 3, 'the address of the first range was given back')
})

const ranges = (value: unknown) => RangeSetText.parse(value)

t.test('ranges as configurations write them', async t => {
  t.strictSame(ranges('10.244.1.0/24'), [{ subnet: '10.244.1.0/24', first: 1n, last: 254n, gateway: '10.244.1.1' }])
  t.strictSame(
    ranges([{ subnet: '10.1.0.0/24', rangeStart: '10.1.0.100', rangeEnd: '10.1.0.109', gateway: '10.1.0.254' }, '10.2.0.0/30']),
    [
      { subnet: '10.1.0.0/24', first: 100n, last: 109n, gateway: '10.1.0.254' },
      { subnet: '10.2.0.0/30', first: 1n, last: 2n, gateway: '10.2.0.1' },
    ],
  )
  const refused: Readonly<Record<string, unknown>> = {
    'no room': '10.0.0.0/31',
    'host bits': '10.0.0.1/24',
    'a start outside': { subnet: '10.0.0.0/24', rangeStart: '10.0.1.1' },
    'the network address': { subnet: '10.0.0.0/24', rangeStart: '10.0.0.0' },
    'the broadcast address': { subnet: '10.0.0.0/24', rangeEnd: '10.0.0.255' },
    'the end before the start': { subnet: '10.0.0.0/24', rangeStart: '10.0.0.9', rangeEnd: '10.0.0.8' },
    'only the gateway': { subnet: '10.0.0.0/24', rangeStart: '10.0.0.1', rangeEnd: '10.0.0.1' },
    'two families': ['10.0.0.0/24', 'fd00::/64'],
    nothing: [],
  }
  for (const [name, value] of Object.entries(refused)) t.notOk(RangeSetText.safeParse(value).success, name)
})

t.test('a set of several ranges is used up one after the other, in turn', async t => {
  const several = ranges([
    { subnet: '10.1.0.0/29', rangeStart: '10.1.0.5' },
    { subnet: '10.2.0.0/29', gateway: '10.2.0.2', rangeEnd: '10.2.0.3' },
  ])
  const ipam = openIpam(folder(t), [several, range])
  const take = async (name: string) => (await ipam.allocate(owner(name)))[0]
  t.match(
    [await take('a'), await take('b'), await take('c'), await take('d')],
    [
      { address: '10.1.0.5', gateway: '10.1.0.1', subnet: '10.1.0.0/29' },
      { address: '10.1.0.6' },
      { address: '10.2.0.1', gateway: '10.2.0.2', subnet: '10.2.0.0/29' },
      { address: '10.2.0.3' },
    ],
  )
  t.strictSame(ipam.exhausted(), [several])
  await t.rejects(take('e'), { code: 'ADDRESS_EXHAUSTED', message: 'all 4 Pod addresses of 10.1.0.0/29, 10.2.0.0/29 are in use' })
  await ipam.release(owner('b'))
  t.match(await take('f'), { address: '10.1.0.6' })
})

t.test('addresses that are asked for', async t => {
  const ipam = openIpam(folder(t), [range, set('fd00::/64')])
  const ask = async (name: string, ...ips: string[]) => (await ipam.allocate(owner(name), ips.map(parseIp))).map(({ address }) => address)
  t.strictSame(await ask('a', 'fd00::77', '10.244.1.4'), ['10.244.1.4', 'fd00::77'])
  t.strictSame(await ask('a', '10.244.1.4'), ['10.244.1.4', 'fd00::77'], 'it has them already')
  const code = (work: Promise<unknown>) =>
    work.then(
      () => 0,
      error => cniErrorAnswer(error, '').code,
    )
  t.equal(await code(ask('b', '10.244.1.4')), 104, 'another has it')
  t.strictSame(ipam.heldBy(owner('b')), [])
  for (const ip of ['10.244.1.1', '10.244.1.0', '10.244.1.7', '192.0.2.1']) t.equal(await code(ask('b', ip)), 7, ip)
  t.equal(await code(ask('b', '10.244.1.2', '10.244.1.3')), 7, 'two of one set')
  t.strictSame(await ask('b', 'fd00::2'), ['10.244.1.2', 'fd00::2'], 'the others are taken in turn')
})

t.test('strange files are left alone', async t => {
  const dir = folder(t)
  writeFileSync(join(dir, 'README'), 'kept')
  const ipam = openIpam(dir, [range])
  await ipam.allocate(owner('a'))
  await ipam.release(owner('a'))
  t.ok(readdirSync(dir).includes('README'))
  t.equal(ipam.list().size, 0)
})

t.test('whatever the order: no address twice, none lost', async () => {
  const step = fc.record({ who: fc.integer({ min: 0, max: 7 }), does: fc.constantFrom('allocate' as const, 'release' as const) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
      const dir = mkdtempSync(join(tmpdir(), 'podwire-ipam-'))
      try {
        const instances = [openIpam(dir, [range]), openIpam(dir, [range])]
        const model = new Map<string, string>()
        for (const [i, { who, does }] of steps.entries()) {
          const ipam = instances[i % 2]!
          const name = `c${who}`
          if (does === 'release') {
            await ipam.release(owner(name))
            model.delete(name)
          } else if (model.size === 5 && !model.has(name)) {
            await ipam.allocate(owner(name)).then(
              () => {
                throw new Error('a sixth address of five')
              },
              () => {},
            )
          } else {
            const address = (await ipam.allocate(owner(name)))[0]!.address
            if (model.has(name) && model.get(name) !== address) throw new Error(`${name} had ${model.get(name)}, got ${address}`)
            model.set(name, address)
          }
          const held = [...ipam.list()].map(([address, { containerId }]) => `${containerId} ${address}`).sort()
          const wanted = [...model].map(([id, address]) => `${id} ${address}`).sort()
          if (held.join() !== wanted.join()) throw new Error(`held ${held}, wanted ${wanted}`)
        }
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    }),
    { numRuns: 60 },
  )
})

t.test('processes killed at any moment lose nothing and give nothing twice', async t => {
  const dir = folder(t)
  const wide = '10.244.0.0/20'
  const worker = fileURLToPath(new URL('../../support/ipam-worker.ts', import.meta.url))
  const held = new Map<string, string>()
  const unsure = new Set<string>()
  for (let round = 0; round < 3; round++) {
    // Two at a time, as the agent and the plugin on its own would be; each is killed after a number of steps of its own.
    await Promise.all(
      ['x', 'y'].map(async (name, i) => {
        const child = spawn(process.execPath, ['--import=tsx', worker, dir, wide, `${name}${round}`], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        let steps = 0
        for await (const line of createInterface({ input: child.stdout })) {
          const [step, id = '', address = ''] = line.split(' ')
          if (step === 'allocating' || step === 'releasing') unsure.add(id)
          else unsure.delete(id)
          if (step === 'allocated') held.set(id, address)
          if (step === 'releasing') held.delete(id)
          if (++steps === 100 + 37 * round + 11 * i) child.kill('SIGKILL')
        }
      }),
    )
  }
  const ipam = openIpam(dir, [set(wide)])
  const found = new Map([...ipam.list()].map(([address, { containerId }]) => [containerId, String(address)]))
  t.ok(held.size > 60, `${held.size} addresses were kept`)
  t.strictSame(
    [...held].filter(([id, address]) => found.get(id) !== address),
    [],
    'every acknowledged address is still there',
  )
  t.strictSame(
    [...found.keys()].filter(id => !held.has(id) && !unsure.has(id)),
    [],
    'nothing else is, but what was under way',
  )
  t.equal(new Set(found.values()).size, ipam.list().size)
  for (const id of found.keys()) await ipam.release(owner(id))
  t.equal(ipam.list().size, 0, 'and all can be freed')
})
