import { fill } from './cases-add.js'
import { type ConformanceCase, isRefused, succeeds, unless } from './conformance-case.js'

/** GC and STATUS: what a node is asked as a whole. */
export const nodeCases: readonly ConformanceCase[] = [
  {
    id: 'gc/nothing-to-do',
    section: '2, GC',
    rule: 'GC with nothing to collect succeeds, without a word',
    claim: 'C1',
    async run(rig) {
      const answer = await rig.runner.gc([])
      return [
        ...succeeds('GC', answer),
        ...unless(answer.stdout.trim() === '' || answer.exitCode !== 0, `GC says: ${answer.stdout.trim()}`),
      ]
    },
  },
  {
    id: 'gc/removes-unlisted',
    section: '2, GC',
    rule: 'GC removes every attachment that is not listed: interface, address, rules, also what was delegated',
    claim: 'C1',
    async run(rig) {
      const container = rig.newContainer()
      await rig.add(container.attachment())
      const answer = await rig.runner.gc([])
      const leaks = (await rig.leaks()).map(line => `GC leaves ${line}`)
      return [
        ...succeeds('GC', answer),
        ...leaks,
        ...unless(container.inside(rt => rt.link('eth0')) === undefined, 'the interface is still there'),
      ]
    },
  },
  {
    id: 'gc/keeps-listed',
    needs: 'interface',
    section: '2, GC',
    rule: 'GC leaves what is listed whole, and takes its neighbour',
    claim: 'C1',
    async run(rig) {
      const [kept, lost] = [rig.newContainer(), rig.newContainer()]
      const result = await rig.add(kept.attachment())
      await rig.add(lost.attachment())
      const answer = await rig.runner.gc([kept.attachment()])
      const left = kept.inside(rt => rt.addresses().map(({ cidr }) => cidr))
      return [
        ...succeeds('GC', answer),
        ...result.ips.flatMap(({ address }) => unless(left.includes(address), `the listed ${address} is gone`)),
        ...unless(lost.inside(rt => rt.link('eth0')) === undefined, 'the interface that is not listed is still there'),
      ]
    },
  },
  {
    id: 'status/ready',
    section: '2, STATUS',
    rule: 'STATUS succeeds while ADD can be served, without a word',
    claim: 'C2',
    async run(rig) {
      const answer = await rig.runner.status()
      return [
        ...succeeds('STATUS', answer),
        ...unless(answer.stdout.trim() === '' || answer.exitCode !== 0, `STATUS says: ${answer.stdout.trim()}`),
      ]
    },
  },
  {
    id: 'status/exhausted',
    section: '2, STATUS',
    rule: 'STATUS answers code 50 when no address is left',
    claim: 'C2',
    async run(rig) {
      if ((await fill(rig)) === undefined) return { skip: 'the range is too large to be filled' }
      return isRefused('STATUS', await rig.runner.status(), 50)
    },
  },
]
