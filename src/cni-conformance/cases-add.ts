import { type ConformanceCase, isRefused, leavesNothing, succeeds, unless } from './conformance-case.js'
import { containerInterface, Result } from './result.js'
import { type Container, type Rig, wordsOf } from './rig.js'
import { type KnownVersion, knownVersions } from './subject.js'

/** Filling a range takes a call an address: this many is enough to prove it. */
const mostContainers = 40

/** The keys that each version knows, of interfaces and addresses. */
const keysOf: Readonly<Record<KnownVersion, { readonly interfaces: readonly string[]; readonly ips: readonly string[] }>> = {
  '0.3.1': { interfaces: ['name', 'mac', 'sandbox'], ips: ['version', 'address', 'gateway', 'interface'] },
  '0.4.0': { interfaces: ['name', 'mac', 'sandbox'], ips: ['version', 'address', 'gateway', 'interface'] },
  '1.0.0': { interfaces: ['name', 'mac', 'sandbox'], ips: ['address', 'gateway', 'interface'] },
  '1.1.0': { interfaces: ['name', 'mac', 'mtu', 'sandbox', 'socketPath', 'pciID'], ips: ['address', 'gateway', 'interface'] },
}

const resultForm = (version: KnownVersion): ConformanceCase => ({
  id: `add/result-${version}`,
  needs: 'interface',
  section: '5, Success',
  rule: `the result has the form of ${version}`,
  async run(rig) {
    if (!rig.versions.includes(version)) return { skip: `the network does not speak ${version}` }
    const attachment = rig.newContainer().attachment()
    const answer = await rig.speaking(version).add(attachment)
    if (answer.exitCode !== 0) return succeeds('ADD', answer)
    const parsed = Result.safeParse(answer.json)
    if (!parsed.success) return [`the result is none: ${parsed.error.issues.map(({ message }) => message).join('; ')}`]
    const { data } = parsed
    const strange = (what: 'interfaces' | 'ips') =>
      [...new Set(data[what].flatMap(Object.keys))]
        .filter(key => !keysOf[version][what].includes(key))
        .map(key => `${what} bear ${key}, which ${version} does not know`)
    const isOld = version.startsWith('0.')
    return [
      ...unless(data.cniVersion === version, `cniVersion is ${data.cniVersion}`),
      ...unless(
        containerInterface(data, attachment.netns ?? '')?.name === attachment.ifname,
        'no interface is named as asked, in the sandbox asked for',
      ),
      ...strange('interfaces'),
      ...strange('ips'),
      ...unless(
        data.ips.every(({ version: family }) => (family !== undefined) === isOld),
        `ips ${isOld ? 'lack' : 'bear'} version`,
      ),
      ...unless(
        data.ips.every(({ interface: index }) => index === undefined || data.interfaces[index] !== undefined),
        'ips point at no interface',
      ),
    ]
  },
})

/** The interface of a container must still be as it was. */
const interfaceIndex = (container: Container, ifname = 'eth0'): number | undefined => container.inside(rt => rt.link(ifname)?.index)

/** ADD and the interface that it makes. */
export const addCases: readonly ConformanceCase[] = [
  ...knownVersions.map(resultForm),
  {
    id: 'add/kernel-agrees',
    needs: 'interface',
    section: '2, ADD',
    rule: 'what the result says is there: interface, MAC, addresses and routes, and the interface is up',
    async run(rig) {
      const container = rig.newContainer()
      const attachment = container.attachment()
      const result = await rig.add(attachment)
      const told = containerInterface(result, container.netns.path)
      return container.inside(rt => {
        const link = rt.link(attachment.ifname)
        if (link === undefined) return [`there is no ${attachment.ifname}`]
        const addresses = rt.addresses().filter(address => address.link === link.index)
        const routes = rt.routes().filter(route => route.link === link.index)
        const lost = result.ips.filter(({ address }) => !addresses.some(({ cidr }) => cidr === address))
        const unrouted = result.routes.filter(({ dst }) => {
          const destination = dst === '0.0.0.0/0' || dst === '::/0' ? 'default' : dst
          const isIpv6 = dst.includes(':')
          return !routes.some(route => route.destination === destination && (route.gateway ?? route.source ?? '').includes(':') === isIpv6)
        })
        return [
          ...unless(link.isUp, 'the interface is down'),
          ...unless(told?.mac === undefined || told.mac.toLowerCase() === link.mac, `the MAC is ${link.mac}, not ${told?.mac}`),
          ...unless(told?.mtu === undefined || told.mtu === link.mtu, `the MTU is ${link.mtu}, not ${told?.mtu}`),
          ...lost.map(({ address }) => `the address ${address} is not there`),
          ...unrouted.map(({ dst }) => `the route to ${dst} is not there`),
        ]
      })
    },
  },
  {
    id: 'add/existing-interface',
    needs: 'interface',
    section: '2, ADD',
    rule: 'an interface that exists is an error, stays as it is, and costs no address',
    async run(rig) {
      const container = rig.newContainer()
      await rig.add(container.attachment())
      const before = interfaceIndex(container)
      const leaks = new Set(await rig.leaks())
      const other = { ...rig.newContainer().attachment(), netns: container.netns.path }
      const answer = await rig.runner.add(other)
      const later = await rig.leaks()
      await rig.runner.del({ ...other, netns: undefined })
      return [
        ...isRefused('ADD onto an existing interface', answer),
        ...unless(interfaceIndex(container) === before, 'the interface is not the same any more'),
        ...later.filter(line => !leaks.has(line)).map(line => `the refused ADD leaves ${line}`),
      ]
    },
  },
  {
    id: 'add/no-namespace',
    needs: 'interface',
    section: '5, Error codes',
    rule: 'a namespace that is not there is an error, and nothing is left',
    async run(rig) {
      const container = rig.newContainer()
      const attachment = container.attachment()
      container.vanish()
      const answer = await rig.runner.add(attachment)
      return [...isRefused('ADD into a vanished namespace', answer), ...(await leavesNothing('ADD into a vanished namespace', rig))]
    },
  },
  {
    id: 'add/two-interfaces',
    needs: 'interface',
    section: '2, ADD',
    rule: 'a container may have several interfaces of one network; DEL of one leaves the other',
    async run(rig) {
      const container = rig.newContainer()
      const [first, second] = [container.attachment('eth0'), container.attachment('net1')]
      const results = [await rig.add(first), await rig.add(second)]
      const [one, two] = results.map(({ ips }) => ips.map(({ address }) => address))
      const shared = one?.filter(address => two?.includes(address)) ?? []
      await rig.runner.del(first)
      return [
        ...shared.map(address => `both interfaces have ${address}`),
        ...unless(interfaceIndex(container, 'eth0') === undefined, 'eth0 is still there after its DEL'),
        ...unless(interfaceIndex(container, 'net1') !== undefined, 'net1 went with eth0'),
      ]
    },
  },
  {
    id: 'add/side-by-side',
    section: '3, Lifecycle & Ordering',
    rule: 'different containers are served at the same time, each with addresses of its own',
    async run(rig) {
      const answers = await Promise.all(Array.from({ length: 4 }, () => rig.runner.add(rig.newContainer().attachment())))
      const failed = answers.filter(({ exitCode }) => exitCode !== 0)
      const addresses = answers.flatMap(({ json }) => Result.safeParse(json).data?.ips.map(({ address }) => address) ?? [])
      return [
        ...failed.map(answer => `an ADD failed: ${wordsOf(answer)}`),
        ...unless(new Set(addresses).size === addresses.length, `an address was given twice: ${addresses.join(', ')}`),
      ]
    },
  },
  {
    id: 'add/exhausted',
    section: '2, ADD',
    rule: 'an ADD for which no address is left fails; the DEL that follows leaves nothing of it; it works again once an address is free',
    async run(rig) {
      const full = await fill(rig)
      if (full === undefined) return { skip: `the range has more than ${mostContainers} addresses` }
      const held = new Set(await rig.leaks())
      const refused = rig.newContainer().attachment()
      const answer = await rig.runner.add(refused)
      // Runtimes call DEL after an ADD that failed.
      const cleaned = await rig.runner.del(refused)
      const more = (await rig.leaks()).filter(line => !held.has(line))
      await rig.runner.del(full)
      return [
        ...isRefused('ADD without an address', answer),
        ...succeeds('DEL after the refused ADD', cleaned),
        ...more.map(line => `the refused ADD and its DEL leave ${line}`),
        ...succeeds('ADD after the DEL of another container', await rig.runner.add(refused)),
      ]
    },
  },
  {
    id: 'add/previous-result',
    needs: 'interface',
    section: '4, Chained plugins',
    rule: 'a plugin passes on what the plugins before it made',
    async run(rig) {
      const prevResult = {
        cniVersion: rig.versions.at(-1),
        interfaces: [{ name: 'other0', sandbox: '/proc/self/ns/none' }],
        ips: [{ address: '192.0.2.7/24', interface: 0, ...(rig.versions.at(-1)?.startsWith('0.') ? { version: '4' } : {}) }],
        dns: { nameservers: ['192.0.2.53'] },
      }
      const attachment = rig.newContainer().attachment()
      const answer = await rig.runner.call('ADD', attachment, { conf: { prevResult } })
      if (answer.exitCode !== 0) return { skip: `the plugin takes no such result: ${wordsOf(answer)}` }
      const { interfaces, ips, dns } = Result.parse(answer.json)
      await rig.runner.del(attachment)
      return [
        ...unless(
          interfaces.some(({ name }) => name === 'other0'),
          'the interface of the plugin before is lost',
        ),
        ...unless(
          ips.some(({ address, interface: index }) => address === '192.0.2.7/24' && interfaces[index ?? -1]?.name === 'other0'),
          'its address is lost',
        ),
        ...unless(dns.nameservers?.includes('192.0.2.53') === true, 'its name server is lost'),
      ]
    },
  },
  {
    id: 'add/addresses-only',
    needs: 'addresses',
    section: '5, Delegated plugins (IPAM)',
    rule: 'a plugin that gives addresses tells them alone: no interface, and none that they point at',
    async run(rig) {
      const { interfaces, ips } = await rig.add(rig.newContainer().attachment())
      return [
        ...unless(interfaces.length === 0, 'the result lists interfaces'),
        ...unless(ips.length > 0, 'the result has no address'),
        ...unless(
          ips.every(({ interface: index }) => index === undefined),
          'an address points at an interface',
        ),
      ]
    },
  },
  ...requested(),
]

/** Adds containers until one is refused; the last that was not, or undefined when the range is too large to be filled. */
export async function fill(rig: Rig): Promise<ReturnType<Container['attachment']> | undefined> {
  let last: ReturnType<Container['attachment']> | undefined
  for (let i = 0; i < mostContainers; i++) {
    const attachment = rig.newContainer().attachment()
    const { exitCode } = await rig.runner.add(attachment)
    if (exitCode !== 0) {
      await rig.runner.del(attachment)
      return last
    }
    last = attachment
  }
  return undefined
}

/** What a runtime may ask for by the capabilities that the network declares. */
function requested(): readonly ConformanceCase[] {
  const declares = ({ subject }: Rig, capability: string): boolean =>
    subject.list.plugins.some(({ capabilities }) => capabilities?.[capability])
  const asked = (capability: string, rule: string, run: ConformanceCase['run']): ConformanceCase => ({
    id: `capability/${capability.toLowerCase()}`,
    section: 'Conventions, Dynamic plugin specific fields',
    rule,
    run: async rig => (declares(rig, capability) ? run(rig) : { skip: `the network does not declare the capability ${capability}` }),
  })
  return [
    asked('mac', 'the interface gets the MAC that the runtime asks for', async rig => {
      const container = rig.newContainer()
      const mac = '02:11:22:33:44:55'
      await rig.add(container.attachment(), { mac })
      const found = container.inside(rt => rt.link('eth0')?.mac)
      return unless(found === mac, `the MAC is ${found}`)
    }),
    asked('ips', 'the interface gets the addresses that the runtime asks for, and nobody else does', async rig => {
      const probe = rig.newContainer().attachment()
      const [ip] = (await rig.add(probe)).ips
      await rig.runner.del(probe)
      const ips = [ip?.address ?? '']
      const result = await rig.add(rig.newContainer().attachment(), { ips })
      const second = await rig.runner.add(rig.newContainer().attachment(), { ips })
      return [
        ...unless(
          result.ips.some(({ address }) => address === ips[0]),
          `asked for ${ips[0]} it gives ${result.ips.map(({ address }) => address).join(', ')}`,
        ),
        ...isRefused(`a second ADD with ${ips[0]}`, second),
      ]
    }),
    asked('portMappings', 'a port of the node leads to the container, and no longer after DEL', async rig => {
      const portMappings = [{ hostPort: 18_080, containerPort: 80, protocol: 'tcp' }]
      const attachment = rig.newContainer().attachment()
      await rig.add(attachment, { portMappings })
      await rig.runner.del(attachment)
      // Chains that all containers share are made at the first use and may stay.
      const shared = new Set(await rig.leaks())
      await rig.add(attachment, { portMappings })
      const made = (await rig.leaks()).filter(line => line.includes('18080'))
      const answer = await rig.runner.del(attachment)
      const left = (await rig.leaks()).filter(line => !shared.has(line))
      return [
        ...unless(made.length > 0, 'no rule has the port'),
        ...succeeds('DEL', answer),
        ...[...left, ...[...shared].filter(line => line.includes('18080'))].map(line => `DEL leaves ${line}`),
      ]
    }),
    {
      ...asked('portMappings', 'CHECK succeeds after an ADD with ports', async rig => {
        if (rig.versions.at(-1) === '0.3.1') return { skip: 'the network speaks no version that has CHECK' }
        const attachment = rig.newContainer().attachment()
        await rig.add(attachment, { portMappings: [{ hostPort: 18_080, containerPort: 80, protocol: 'tcp' }] })
        return succeeds('CHECK', await rig.runner.check(attachment))
      }),
      id: 'capability/portmappings-check',
    },
    asked('dns', 'the result bears the name servers that the runtime gives', async rig => {
      const { dns } = await rig.add(rig.newContainer().attachment(), { dns: { servers: ['192.0.2.53'], searches: ['example.org'] } })
      return unless(dns.nameservers?.join() === '192.0.2.53' && dns.search?.join() === 'example.org', `dns is ${JSON.stringify(dns)}`)
    }),
  ]
}
