import { type ConformanceCase, leavesNothing, succeeds, unless } from './conformance-case.js'

/** DEL, in every state that a container can be in. */
export const delCases: readonly ConformanceCase[] = [
  {
    id: 'del/leaves-nothing',
    section: '2, DEL',
    rule: 'DEL takes away what ADD made, without a word',
    async run(rig) {
      const container = rig.newContainer()
      const attachment = container.attachment()
      await rig.add(attachment)
      const answer = await rig.runner.del(attachment)
      return [
        ...succeeds('DEL', answer),
        ...unless(answer.stdout.trim() === '', `DEL says: ${answer.stdout.trim()}`),
        ...unless(container.inside(rt => rt.link('eth0')) === undefined, 'the interface is still there'),
        ...(await leavesNothing('DEL', rig)),
      ]
    },
  },
  {
    id: 'del/twice',
    section: '2, DEL',
    rule: 'DEL succeeds again when everything is gone',
    claim: 'C10',
    async run(rig) {
      const attachment = rig.newContainer().attachment()
      await rig.add(attachment)
      await rig.runner.del(attachment)
      return succeeds('the second DEL', await rig.runner.del(attachment))
    },
  },
  {
    id: 'del/never-added',
    section: '2, DEL',
    rule: 'DEL of what never was succeeds',
    claim: 'C10',
    run: async rig => succeeds('DEL', await rig.runner.del(rig.newContainer().attachment())),
  },
  {
    id: 'del/without-result',
    section: '2, DEL',
    rule: 'DEL does without prevResult',
    claim: 'C10',
    async run(rig) {
      const attachment = rig.newContainer().attachment()
      await rig.add(attachment)
      const answer = await rig.runner.call('DEL', attachment)
      await rig.runner.del(attachment)
      return [...succeeds('DEL', answer), ...(await leavesNothing('DEL', rig))]
    },
  },
  ...(['with', 'without'] as const).map(
    (way): ConformanceCase => ({
      id: way === 'without' ? 'del/no-namespace' : 'del/vanished-namespace',
      section: '2, DEL',
      rule: `DEL after the namespace vanished, ${way} its path, cleans up everything on the node`,
      claim: 'C3',
      async run(rig) {
        const container = rig.newContainer()
        const attachment = container.attachment()
        await rig.add(attachment)
        container.vanish()
        const answer = await rig.runner.del(way === 'without' ? { ...attachment, netns: undefined } : attachment)
        // The kernel takes the pair of a vanished namespace away in its own time.
        return [
          ...succeeds('DEL', answer),
          ...(await leavesNothing('DEL', rig)).filter(line => !line.includes(' link veth') && !line.includes(' by veth')),
        ]
      },
    }),
  ),
  {
    id: 'del/spares-others',
    needs: 'interface',
    section: '2, DEL',
    rule: 'DEL of one container leaves the others whole',
    async run(rig) {
      const [kept, gone] = [rig.newContainer(), rig.newContainer()]
      const result = await rig.add(kept.attachment())
      await rig.add(gone.attachment())
      await rig.runner.del(gone.attachment())
      const left = kept.inside(rt => rt.addresses().map(({ cidr }) => cidr))
      return result.ips.flatMap(({ address }) => unless(left.includes(address), `${address} of another container is gone`))
    },
  },
]
