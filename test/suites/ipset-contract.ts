import type { Test } from 'tap'

import type { Ipset } from '../../src/kernel/ipset.js'

const signal = AbortSignal.timeout(60_000)

/** An empty namespace's IP sets, and a rule that refers to one of them. */
export interface IpsetSubject {
  readonly ipset: Ipset
  refer(name: string): Promise<void>
}

/** Sets of each type that proxy ipvs uses, with entries as the kernel prints them. */
const sets = {
  'KUBE-CLUSTER-IP': { type: 'hash:ip,port family inet', entries: ['10.96.0.10,tcp:80', '10.96.0.10,udp:53', '10.96.0.10,sctp:9000'] },
  'KUBE-6-CLUSTER-IP': { type: 'hash:ip,port family inet6', entries: ['fd00:10:96::a,tcp:80'] },
  'KUBE-LOOP-BACK': { type: 'hash:ip,port,ip family inet', entries: ['10.244.1.5,tcp:8080,10.244.1.5'] },
  'KUBE-LOAD-BALANCER-SOURCE-CIDR': {
    type: 'hash:ip,port,net family inet',
    entries: ['192.0.2.17,tcp:80,10.244.0.0/16', '192.0.2.17,tcp:80,172.30.0.101'],
  },
  'KUBE-NODE-PORT-TCP': { type: 'bitmap:port range 0-65535', entries: ['30080', '30081'] },
  'KUBE-IPVS-IPS': { type: 'hash:ip family inet', entries: ['10.96.0.10'] },
}

/** What every `Ipset` does. */
export async function ipsetContract(t: Test, make: () => IpsetSubject): Promise<void> {
  const lines = async (ipset: Ipset) => (await ipset.save(signal)).split('\n').filter(line => line !== '')
  const entriesOf = async (ipset: Ipset, name: string) =>
    (await lines(ipset)).filter(line => line.startsWith(`add ${name} `)).map(line => line.slice(`add ${name} `.length))

  await t.test('sets of all types are made, and their entries printed as they were written', async t => {
    const { ipset } = make()
    const text = Object.entries(sets).flatMap(([name, { type, entries }]) => [
      `create ${name} ${type}`,
      ...entries.map(entry => `add ${name} ${entry}`),
    ])
    await ipset.restore(`${text.join('\n')}\n`, signal)
    for (const [name, { type, entries }] of Object.entries(sets)) {
      t.ok(
        (await lines(ipset)).some(line => line.startsWith(`create ${name} ${type}`)),
        name,
      )
      t.strictSame((await entriesOf(ipset, name)).sort(), [...entries].sort(), name)
    }
  })

  await t.test('entries go one by one or all at once, sets when no rule refers to them', async t => {
    const { ipset, refer } = make()
    await ipset.restore(
      'create KUBE-A hash:ip family inet\nadd KUBE-A 10.0.0.1\nadd KUBE-A 10.0.0.2\ncreate KUBE-B hash:ip family inet\n',
      signal,
    )
    await ipset.restore('del KUBE-A 10.0.0.1\n', signal)
    t.strictSame(await entriesOf(ipset, 'KUBE-A'), ['10.0.0.2'])
    await ipset.restore('flush KUBE-A\n', signal)
    t.strictSame(await entriesOf(ipset, 'KUBE-A'), [])
    await refer('KUBE-B')
    await t.rejects(ipset.restore('destroy KUBE-B\n', signal), { code: 'KERNEL_REFUSED', message: /line 1: destroy KUBE-B/ })
    await ipset.restore('destroy KUBE-A\n', signal)
    t.strictSame(
      (await lines(ipset)).map(line => line.split(' ')[1]),
      ['KUBE-B'],
    )
  })

  const refusals = {
    'making a set that is there': 'create KUBE-A hash:ip family inet',
    'a name that is too long': `create ${'K'.repeat(32)} hash:ip family inet`,
    'adding what is there': 'add KUBE-A 10.0.0.1',
    'removing what is not there': 'del KUBE-A 10.0.0.9',
    'adding to a set that is not there': 'add KUBE-NONE 10.0.0.1',
    'removing a set that is not there': 'destroy KUBE-NONE',
    'a line that is no command': 'bogus',
  }
  for (const [what, line] of Object.entries(refusals)) {
    await t.test(`refuses ${what}; what stands before is carried out`, async t => {
      const { ipset } = make()
      await ipset.restore('create KUBE-A hash:ip family inet\nadd KUBE-A 10.0.0.1\n', signal)
      await t.rejects(ipset.restore(`create KUBE-B hash:ip family inet\n${line}\ncreate KUBE-C hash:ip family inet\n`, signal), {
        code: 'KERNEL_REFUSED',
      })
      t.strictSame(
        (await lines(ipset)).filter(text => text.startsWith('create')).map(text => text.split(' ')[1]),
        ['KUBE-A', 'KUBE-B'],
      )
      t.strictSame(await entriesOf(ipset, 'KUBE-A'), ['10.0.0.1'])
    })
  }
}
