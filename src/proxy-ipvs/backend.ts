import { isPodwireError, PodwireError } from '../base/errors/podwire-error.js'
import type { Cidr, Ip, IpFamily } from '../base/net/address.js'
import type { Conntrack } from '../kernel/conntrack.js'
import type { Ipset } from '../kernel/ipset.js'
import type { Iptables } from '../kernel/iptables.js'
import type { Ipvs, IpvsTimeouts } from '../kernel/ipvs.js'
import type { Rtnetlink } from '../kernel/rtnetlink.js'
import { errnoOf } from '../kernel/syscalls.js'
import type { Sysctls } from '../kernel/sysctl.js'
import type { Backend } from '../reconcile/backend.js'
import type { ServiceState } from '../service-model/service-state.js'
import { staleUdpFlows } from '../service-model/stale-udp-flows.js'
import { noContent } from './ipvs-content.js'
import { serviceDevice } from './object-names.js'
import { observeAddresses, observeServers, parseSets } from './observe.js'
import { type AppliedIpvs, type Draining, type IpvsPlan, type IpvsStep, ipvsPlanner } from './plan.js'
import { parseRules } from './plan-rules.js'

/** What of the kernel the proxy works on; all of one network namespace. */
export interface IpvsProxyParts {
  /** Called when IPVS is first needed: KERNEL_UNSUPPORTED where the kernel has none. */
  readonly openIpvs: () => Ipvs
  readonly ipset: Ipset
  readonly iptables: Iptables
  readonly rtnetlink: Rtnetlink
  readonly sysctls: Sysctls
  /** With it, UDP flows that would go on to an endpoint that is gone are cut off after the rest is in place. */
  readonly conntrack?: Conntrack
}

/** What the administrator may say; the defaults are kube-proxy's. */
export interface IpvsProxyOptions {
  readonly family?: IpFamily
  /** `rr`, `wrr`, `lc`, `wlc`, `sh`, `dh`, `sed`, `nq`, `mh`, or any other the kernel has. */
  readonly scheduler?: string
  readonly excludeCidrs?: readonly Cidr[]
  readonly strictArp?: boolean
  readonly timeouts?: Partial<IpvsTimeouts>
}

const deviceMtu = 1500

/**
 * Services as IP virtual servers, with kube-proxy's device, sets and chains. Desired `undefined` removes all of it.
 *
 * A destination that is no longer wanted takes no new TCP connections and is deleted by the first sync that finds it without any.
 * Virtual servers are ours when our sets name them; others stay. Errors: KERNEL_UNSUPPORTED for a scheduler that the kernel has not.
 */
export function ipvsProxy(parts: IpvsProxyParts, options: IpvsProxyOptions = {}): Backend<ServiceState | undefined, AppliedIpvs, IpvsPlan> {
  const { openIpvs, ipset, iptables, rtnetlink, sysctls, conntrack } = parts
  const { family = 4, scheduler = 'rr', excludeCidrs = [], strictArp = false, timeouts } = options
  const planOptions = { family, scheduler, excludeCidrs, strictArp, timeouts: { tcp: 0, tcpFin: 0, udp: 0, ...timeouts } }
  let opened: Ipvs | undefined
  const kernel = (): Ipvs => {
    opened ??= openIpvs()
    return opened
  }

  /** Returns a destination that still has connections. */
  async function carryOut(step: IpvsStep, signal: AbortSignal): Promise<Draining | undefined> {
    const ipvs = kernel()
    switch (step.do) {
      case 'set parameter':
        sysctls.ensure(step.key, step.value)
        return
      case 'set timeouts':
        ipvs.setTimeouts(step.timeouts)
        return
      case 'add device':
        rtnetlink.addDummy({ name: serviceDevice, mtu: deviceMtu })
        return
      case 'delete device':
        deleteBareDevice()
        return
      case 'restore sets':
        await ipset.restore(step.text, signal)
        return
      case 'restore rules':
        await iptables.restore(step.text, signal)
        return
      case 'add server':
        withScheduler(() => ipvs.addServer(step.server))
        return
      case 'change server':
        withScheduler(() => ipvs.changeServer(step.server))
        return
      case 'delete server':
        ipvs.deleteServer(step.server)
        return
      case 'add destination':
        ipvs.addDestination(step.server, step.destination)
        return
      case 'change destination':
        ipvs.changeDestination(step.server, step.destination)
        return
      case 'delete destination':
        ipvs.deleteDestination(step.server, step.destination)
        return
      case 'delete when idle':
        return deleteWhenIdle(step)
      case 'add address':
        rtnetlink.addAddress(onDevice(step.address))
        return
      case 'delete address':
        rtnetlink.deleteAddress(onDevice(step.address))
        return
    }
  }

  function deleteWhenIdle({ server, destination }: Draining): Draining | undefined {
    const { address, port } = destination
    const ipvs = kernel()
    const state = ipvs.destinations(server).find(known => known.address === address && known.port === port)
    if (state === undefined) return undefined
    if (state.activeConnections + state.inactiveConnections > 0) return { server, destination }
    ipvs.deleteDestination(server, destination)
    return undefined
  }

  const onDevice = (address: Ip) => ({ link: rtnetlink.link(serviceDevice)?.index ?? 0, cidr: `${address}/${family === 4 ? 32 : 128}` })

  /** The device is one for both families: it goes with the last address. */
  function deleteBareDevice(): void {
    const device = rtnetlink.link(serviceDevice)
    const holds = ({ link, cidr }: { readonly link: number; readonly cidr: string }) => link === device?.index && !/^fe[89ab]/.test(cidr)
    if (device !== undefined && !rtnetlink.addresses().some(holds)) rtnetlink.deleteLink(device.index)
  }

  function withScheduler(work: () => void): void {
    try {
      work()
    } catch (cause) {
      if (errnoOf(cause) !== 'ENOENT' || !isPodwireError(cause)) throw cause
      throw new PodwireError('KERNEL_UNSUPPORTED', `this kernel has no IPVS scheduler ${scheduler}`, {
        hint: `Load it with \`modprobe ip_vs_${scheduler}\`, or use another one: rr is in every kernel with IPVS.`,
        cause,
      })
    }
  }

  return {
    name: 'ipvs',

    async observe(signal) {
      const servers = observeServers(kernel(), family)
      const { sets, entries } = parseSets(await ipset.save(signal), family)
      const nat = parseRules('nat', await iptables.save('nat', signal))
      const filter = parseRules('filter', await iptables.save('filter', signal))
      const { hasDevice, addresses, localAddresses } = observeAddresses(rtnetlink, family)
      const content = { servers, addresses, entries }
      return { kind: 'observed', localAddresses, hasDevice, sets, rules: { nat, filter }, content }
    },

    plan: ipvsPlanner(planOptions),

    async apply({ steps, cutsUdp, desired, localAddresses }, signal) {
      const draining: Draining[] = []
      for (const step of steps) {
        signal.throwIfAborted()
        const left = await carryOut(step, signal)
        if (left !== undefined) draining.push(left)
      }
      if (conntrack !== undefined && cutsUdp && desired !== undefined) {
        for (const flow of staleUdpFlows(desired, await conntrack.list('udp', signal))) await conntrack.delete(flow, signal)
      }
      if (desired !== undefined) return { kind: 'written', localAddresses, state: desired, draining }
      const rules = { nat: new Map(), filter: new Map() }
      return { kind: 'observed', localAddresses, hasDevice: false, sets: new Set(), rules, content: noContent }
    },
  }
}
