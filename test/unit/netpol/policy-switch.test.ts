import t from 'tap'

import { PodwireError } from '../../../src/base/errors/podwire-error.js'
import type { PolicyState } from '../../../src/netpol/policy-state.js'
import { type PolicyMember, policySwitch } from '../../../src/netpol/policy-switch.js'

const { signal } = new AbortController()
const node = { name: 'node-1', addresses: [], podRanges: [] }
const none = new Map<string, never>()
const state: PolicyState = { node, pods: none, profiles: none, chains: none, groups: none, nets: none, portSets: none, namedPorts: none }

/** Tells in `done` what it is asked to hold. */
const member = (mode: PolicyMember['mode'], done: string[], isPossible = true): PolicyMember => ({
  mode,
  backend: {
    name: mode,
    async observe() {
      if (!isPossible) throw new PodwireError('KERNEL_UNSUPPORTED', `no ${mode} here`)
      return undefined
    },
    plan: desired => desired !== undefined,
    async apply(isWanted) {
      done.push(`${mode} ${isWanted === true ? 'in' : 'out'}`)
      return isWanted
    },
  },
})

t.test('the wanted mode enters before the other leaves', async t => {
  const done: string[] = []
  const both = policySwitch([member('nftables', done), member('iptables', done)])
  await both.apply(both.plan({ mode: 'iptables', state }, await both.observe(signal)), signal)
  t.strictSame(done, ['iptables in', 'nftables out'])
})

t.test('a mode that this machine cannot do is refused, and nothing is touched', async t => {
  const done: string[] = []
  const both = policySwitch([member('nftables', done), member('iptables', done, false)])
  const plan = both.plan({ mode: 'iptables', state }, await both.observe(signal))
  await t.rejects(both.apply(plan, signal), { code: 'KERNEL_UNSUPPORTED', message: 'no iptables here' })
  t.strictSame(done, [])
})

t.test('mode none takes away what any left', async t => {
  const done: string[] = []
  const both = policySwitch([member('nftables', done), member('iptables', done)])
  await both.apply(both.plan({ mode: 'none', state: undefined }, await both.observe(signal)), signal)
  t.strictSame(done, ['nftables out', 'iptables out'])
})
