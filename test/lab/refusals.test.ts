/** What cannot be is refused with a clear error, and nothing has changed. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { requireIpvs } from '../../src/kernel/netlink-ipvs.js'
import { differences, observeMachine } from '../support/leftovers.js'
import { workplace } from '../support/podwire-command.js'

interface Refusal {
  readonly lab: string
  readonly status: number
  readonly says: RegExp
}

const refusals: Readonly<Record<string, Refusal>> = {
  'an unknown key and a wrong value, both at their lines': {
    lab: 'nodes: 2\nproxy: magic\nunderlay:\n  sbunet: 172.30.0.0/24\n',
    status: 2,
    says: /^CONFIG_INVALID .*lab\.yaml is not a valid lab:\n +.*lab\.yaml:2:8 .*proxy.*\n +.*lab\.yaml:4:\d+ .*sbunet/,
  },
  'text that is no YAML': { lab: 'nodes: [\n', status: 2, says: /^CONFIG_INVALID .*\n +.*lab\.yaml:\d+:\d+ / },
  'a Pod range that overlaps the underlay': {
    lab: 'underlay: {subnet: 10.244.7.0/24}\n',
    status: 2,
    says: /^CONFIG_INVALID .*\n +.*lab\.yaml:1:\d+ .*(10\.244\.0\.0\/16|10\.244\.7\.0\/24)/,
  },
}

const hasIpvs = (() => {
  try {
    requireIpvs()
    return true
  } catch {
    return false
  }
})()
const onThisKernel: typeof refusals = hasIpvs
  ? {}
  : {
      'a service proxy that this kernel has not': {
        lab: 'proxy: ipvs\n',
        status: 3,
        says: /(^|\n)KERNEL_UNSUPPORTED .*ip_vs.*\nhint: .*modprobe ip_vs.*proxy: nftables/,
      },
    }

for (const [name, { lab: text, status, says }] of Object.entries({ ...refusals, ...onThisKernel })) {
  t.test(name, async t => {
    const { dir, lab, podwire } = workplace(t)
    const before = observeMachine(lab)
    const file = join(dir, 'lab.yaml')
    writeFileSync(file, text)
    const up = await podwire('up', '-f', file)
    t.equal(up.status, status)
    t.match(up.stderr, says)
    t.strictSame(differences(before, observeMachine(lab)), [])
  })
}

t.test('a port in use is refused before anything is made', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const { dir, lab, podwire } = workplace(t)
  const before = observeMachine(lab)
  const file = join(dir, 'lab.yaml')
  writeFileSync(file, `api: {port: ${port}}\n`)
  const up = await podwire('up', '-f', file)
  t.equal(up.status, 1)
  t.match(up.stderr, new RegExp(`PORT_IN_USE .*${port}`))
  t.strictSame(differences(before, observeMachine(lab)), [])
})

t.test('a lab that is up', async t => {
  const { dir, lab, podwire } = workplace(t)
  t.equal((await podwire('up')).status, 0)
  const before = observeMachine(lab)

  t.test('a second of the same name is refused', async t => {
    const up = await podwire('up')
    t.equal(up.status, 1)
    t.match(up.stderr, new RegExp(`ALREADY_EXISTS .*${lab}.*\\nhint: .*podwire down --name ${lab}`))
    t.strictSame(differences(before, observeMachine(lab)), [])
    t.equal((await podwire('status')).status, 0, 'the first is as it was')
  })

  t.test('a bad flow file is refused, with the place and the nearest key', async t => {
    const file = join(dir, 'bad.flow.yaml')
    writeFileSync(
      file,
      'apiVersion: podwire.dev/v1alpha1\nkind: FlowTest\nmetadata: {name: bad}\nspec:\n  bind: {a: {pod: shop/a}}\n  sned: {from: $a, to: $a, tcp: {port: 1}}\n',
    )
    const { status, stderr } = await podwire('flow', 'test', file, '--out', join(dir, 'out'))
    t.equal(status, 2)
    t.match(stderr, /CONFIG_INVALID [\s\S]*bad\.flow\.yaml:6:3 [\s\S]*sned/)
    t.strictSame(differences(before, observeMachine(lab)), [])
  })

  t.test('a host and a file that are not there', async t => {
    t.match(await podwire('node', 'node-9', '--', 'true'), { status: 1, stderr: /NOT_FOUND .*node-9/ })
    t.match(await podwire('image', 'load', '/nowhere.tar'), { status: 1, stderr: /NOT_FOUND .*nowhere\.tar/ })
  })
})
