import { type ConformanceCase, type Findings, isRefused, succeeds } from './conformance-case.js'
import type { Container, Rig } from './rig.js'

/** CHECK must notice what `harm` does to the container's interface. */
const notices = (id: string, rule: string, harm: (container: Container, rig: Rig) => void): ConformanceCase => ({
  id: `check/${id}`,
  needs: 'interface',
  section: '2, CHECK',
  rule,
  run: rig =>
    checked(rig, async container => {
      harm(container, rig)
      return isRefused('CHECK', await rig.runner.check(container.attachment()))
    }),
})

async function checked(rig: Rig, fn: (container: Container) => Promise<Findings>): Promise<Findings> {
  if (rig.versions.at(-1) === '0.3.1') return { skip: 'the network speaks no version that has CHECK' }
  const container = rig.newContainer()
  await rig.add(container.attachment())
  return fn(container)
}

const eth0 = (container: Container): number => container.inside(rt => rt.link('eth0')?.index ?? -1)

/** CHECK, right after ADD and after somebody meddled. */
export const checkCases: readonly ConformanceCase[] = [
  {
    id: 'check/after-add',
    section: '2, CHECK',
    rule: 'CHECK succeeds after ADD, without a word',
    run: rig =>
      checked(rig, async container => {
        const answer = await rig.runner.check(container.attachment())
        return answer.stdout.trim() === '' ? succeeds('CHECK', answer) : [`CHECK says: ${answer.stdout.trim()}`]
      }),
  },
  {
    id: 'check/more-is-fine',
    needs: 'interface',
    section: '2, CHECK',
    rule: 'CHECK tolerates what came later: another address, another route',
    run: rig =>
      checked(rig, async container => {
        container.inside(rt => {
          const link = rt.link('eth0')?.index ?? -1
          rt.addAddress({ link, cidr: '198.51.100.7/24' })
          rt.replaceRoute({ destination: '203.0.113.0/24', link })
        })
        return succeeds('CHECK', await rig.runner.check(container.attachment()))
      }),
  },
  {
    id: 'check/without-result',
    needs: 'interface',
    section: '2, CHECK',
    rule: 'CHECK without prevResult is an error',
    run: rig => checked(rig, async container => isRefused('CHECK', await rig.runner.call('CHECK', container.attachment()))),
  },
  {
    id: 'check/never-added',
    section: '2, CHECK',
    rule: 'CHECK of what was deleted is an error',
    run: rig =>
      checked(rig, async container => {
        const attachment = container.attachment()
        const result = rig.runner.resultOf(attachment)
        await rig.runner.del(attachment)
        return isRefused('CHECK', await rig.runner.check(attachment, result))
      }),
  },
  notices('interface-gone', 'CHECK notices that the interface is gone', container =>
    container.inside(rt => rt.deleteLink(eth0(container))),
  ),
  notices('interface-down', 'CHECK notices that the interface is down', container =>
    container.inside(rt => rt.changeLink(eth0(container), { up: false })),
  ),
  notices('address-gone', 'CHECK notices that an address is gone', container =>
    container.inside(rt => {
      for (const address of rt.addresses())
        if (address.link === eth0(container) && !address.cidr.startsWith('fe80:')) rt.deleteAddress(address)
    }),
  ),
  notices('route-gone', 'CHECK notices that a route is gone', container =>
    container.inside(rt => {
      for (const route of rt.routes()) if (route.link === eth0(container) && route.destination === 'default') rt.deleteRoute(route)
    }),
  ),
]
