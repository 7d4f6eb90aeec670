import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { PodwireError } from '../base/errors/podwire-error.js'
import { cidrParts, type Ip, ipFamily, ipToNumber } from '../base/net/address.js'
import { removeCgroup, removeEmptyCgroup } from '../kernel/cgroup.js'
import type { LocalHost } from '../kernel/host.js'
import { createNamespaceHost, findMarked, namespaceHost, type TreeStep } from '../kernel/namespace-host.js'
import { openRtnetlink } from '../kernel/netlink-rtnetlink.js'
import { netnsOf } from '../kernel/netns.js'
import { isRunning, type ProcessInfo } from '../kernel/proc.js'
import type { Rtnetlink } from '../kernel/rtnetlink.js'
import { ensureSysctl } from '../kernel/sysctl.js'
import { underlayName } from './host-names.js'
import { gatewaysOf, type HostInterface, type HostPlan, planHosts, planSegments, type Segment } from './host-plan.js'
import { cacheDir, type LabPaths, labPaths, privateFolders } from './lab-paths.js'
import type { LabSpec } from './lab-spec.js'
import type { HostRole, LabHost, Substrate } from './substrate.js'

/** A host of this substrate: synchronous work in its network namespace is possible too. */
export interface NetnsLabHost extends LabHost {
  readonly host: LocalHost
}

export interface NetnsSubstrate extends Substrate {
  create(spec: LabSpec, signal: AbortSignal): Promise<readonly NetnsLabHost[]>
  find(labName: string): Promise<readonly NetnsLabHost[]>
}

const uplink = 'eth0'

/** Hosts as namespace sets of this kernel; the underlay is bridges in a namespace of its own, one a segment, so that nothing is in the root namespace. */
export const netnsSubstrate: NetnsSubstrate = { name: 'netns', create, find, destroy }

/** The cgroup below which all that runs in the lab's Pods lives. */
export const labCgroup = (lab: string): string => `/podwire/${lab}`

async function create(spec: LabSpec, signal: AbortSignal): Promise<readonly NetnsLabHost[]> {
  const plans = planHosts(spec)
  const paths = labPaths(spec.name)
  try {
    for (const plan of plans) writeHostFiles(paths, plan, plans)
    const underlay = createNamespaceHost({ lab: spec.name, host: underlayName, facts: {} }, [], signal)
    const made = await settled([underlay, ...plans.map(plan => createHost(spec, plan, paths, signal))])
    signal.throwIfAborted()
    const [wires, ...hosts] = made
    connect(spec, wires!, hosts, plans)
    return plans.map((plan, i) => ({ role: plan.role, host: hosts[i]!, address: plan.address, uplink }))
  } catch (error) {
    await destroy(spec.name, AbortSignal.timeout(10_000))
    if (signal.aborted && !(error instanceof PodwireError)) {
      throw new PodwireError('ABORTED', `the hosts of ${spec.name} were not made`, { cause: error })
    }
    throw error
  }
}

/** All results, or the first error once nothing is under way any more: what is half made can then be found and removed. */
async function settled<T>(all: readonly Promise<T>[]): Promise<readonly T[]> {
  await Promise.allSettled(all)
  return Promise.all(all)
}

function createHost(spec: LabSpec, plan: HostPlan, paths: LabPaths, signal: AbortSignal): Promise<LocalHost> {
  const facts = { role: plan.role, address: plan.address }
  return createNamespaceHost({ lab: spec.name, host: plan.name, facts }, hostTree(paths, plan), signal)
}

/** Paths on a host equal those of a VM; what the machine itself has below /etc, /opt and /var can be read but not changed. */
function hostTree(paths: LabPaths, { name, role }: HostPlan): readonly TreeStep[] {
  const shared = [paths.dir, cacheDir].filter(dir => existsSync(dir))
  const folders = foldersOf(role)
  return [
    { do: 'hostname', name },
    { do: 'overlay', dir: '/etc' },
    { do: 'overlay', dir: '/opt' },
    { do: 'overlay', dir: '/var' },
    { do: 'tmpfs', dir: '/run' },
    ...shared.map((dir): TreeStep => ({ do: 'bind', source: dir, dir })),
    ...folders.map((dir): TreeStep => ({ do: 'bind', source: paths.onHost(name, dir), dir })),
    ...hostFiles.map((dir): TreeStep => ({ do: 'bind', source: paths.onHost(name, dir), dir })),
    // crun refuses a cgroup2 beside cgroup1 hierarchies; Pods live in the latter then. It still writes plain files where the cgroup2 was:
    // on a tmpfs of the host's own, or they would stay on the machine for ever, hidden below its mount.
    ...(existsSync(unified) ? [{ do: 'tmpfs', dir: unified } as const] : []),
  ]
}

/** The router's daemon finds its configuration where a node's does. */
const foldersOf = (role: HostRole): readonly string[] => (role === 'node' ? privateFolders : role === 'router' ? ['/etc/podwire'] : [])

/** Where a machine with cgroup1 hierarchies mounts the cgroup2 beside them. */
const unified = '/sys/fs/cgroup/unified'

const hostFiles = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf'] as const

function writeHostFiles(paths: LabPaths, { name, role }: HostPlan, plans: readonly HostPlan[]): void {
  const texts: Readonly<Record<(typeof hostFiles)[number], string>> = {
    '/etc/hosts': ['127.0.0.1 localhost', ...plans.flatMap(nameAddresses), ''].join('\n'),
    '/etc/hostname': `${name}\n`,
    '/etc/resolv.conf': '# The underlay has no name server.\n',
  }
  const folders = foldersOf(role)
  for (const dir of ['/etc', ...folders]) mkdirSync(paths.onHost(name, dir), { recursive: true })
  for (const file of hostFiles) writeFileSync(paths.onHost(name, file), texts[file])
}

const nameAddresses = ({ name, interfaces: [{ addresses }] }: HostPlan): readonly string[] => addresses.map(address => `${address} ${name}`)

/** Each veth is made inside the underlay's namespace and its other end goes to the host, so the root namespace never sees it. */
function connect(spec: LabSpec, wires: LocalHost, hosts: readonly LocalHost[], plans: readonly HostPlan[]): void {
  const segments = planSegments(spec)
  wires.netns(() => {
    const links = openRtnetlink()
    try {
      silenceIpv6('default')
      links.changeLink(links.link('lo')!.index, { up: true })
      for (const [i, segment] of segments.entries()) makeSegment(links, { bridge: `br${i}`, segment, hasRouter: segments.length > 1 })
      plans.forEach((plan, i) => {
        const netnsFd = openSync(netnsOf(hosts[i]!.pid), 'r')
        try {
          for (const { name, segment, mac } of plan.interfaces) {
            const bridge = links.link(`br${segments.findIndex(each => each.name === segment.name)}`)!.index
            const port = plan.interfaces.length === 1 ? plan.name : `${plan.name}-${name}`
            links.addVeth({ name: port, mtu: segment.mtu, peer: { name, netnsFd, mac } })
            links.changeLink(links.link(port)!.index, { master: bridge, up: true })
          }
        } finally {
          closeSync(netnsFd)
        }
      })
    } finally {
      links.close()
    }
  })
  for (const [i, plan] of plans.entries()) hosts[i]!.netns(() => setUpInterfaces(plan))
}

/** A wire. Where no router host stands on it, its own bridge answers for what is nowhere as a router would: with "unreachable", at once. */
function makeSegment(
  links: Rtnetlink,
  { bridge, segment, hasRouter }: { readonly bridge: string; readonly segment: Segment; readonly hasRouter: boolean },
): void {
  links.addBridge({ name: bridge, mtu: segment.mtu })
  const { index } = links.link(bridge)!
  if (!hasRouter) prepareRouting(segment, bridge)
  links.changeLink(index, { up: true })
  if (hasRouter) return
  for (const [i, gateway] of gatewaysOf(segment).entries()) {
    links.addAddress({ link: index, cidr: `${gateway}/${cidrParts(segment.subnets[i]!).prefix}` })
  }
}

function prepareRouting({ subnets }: Segment, device: string): void {
  ensureSysctl('net/ipv4/ip_forward', '1')
  if (subnets.length > 1) {
    ensureSysctl(`net/ipv6/conf/${device}/disable_ipv6`, '0')
    ensureSysctl('net/ipv6/conf/all/forwarding', '1')
  }
}

function setUpInterfaces({ role, interfaces }: HostPlan): void {
  const links = openRtnetlink()
  try {
    links.changeLink(links.link('lo')!.index, { up: true })
    for (const each of interfaces) {
      if (each.addresses.length === 1) silenceIpv6(each.name)
      if (role === 'router') prepareRouting(each.segment, each.name)
      const link = links.link(each.name)!.index
      links.changeLink(link, { mtu: each.segment.mtu, up: true })
      each.addresses.forEach((address, i) => {
        links.addAddress({ link, cidr: `${address}/${cidrParts(each.segment.subnets[i]!).prefix}` })
      })
      if (role !== 'router') routeByDefault(links, link, each)
    }
  } finally {
    links.close()
  }
}

function routeByDefault(links: Rtnetlink, link: number, { segment }: HostInterface): void {
  for (const gateway of gatewaysOf(segment)) {
    if (ipFamily(gateway) === 6) ensureSysctl(`net/ipv6/conf/${uplink}/accept_ra`, '0')
    links.replaceRoute({ destination: 'default', gateway, link })
  }
}

/** A quiet wire: captures show the cluster's packets, not the devices' own neighbour discovery. */
function silenceIpv6(device: string): void {
  if (existsSync('/proc/sys/net/ipv6')) ensureSysctl(`net/ipv6/conf/${device}/disable_ipv6`, '1')
}

async function find(labName: string): Promise<readonly NetnsLabHost[]> {
  return findMarked(labName)
    .filter(({ isInit, mark }) => isInit && mark.facts.role !== undefined)
    .map(({ pid, mark }) => ({
      role: mark.facts.role as HostRole,
      host: namespaceHost(mark, pid),
      address: mark.facts.address!,
      uplink,
    }))
    .sort((a, b) => Number(ipToNumber(a.address as Ip) - ipToNumber(b.address as Ip)))
}

async function destroy(labName: string, signal: AbortSignal): Promise<boolean> {
  let hadProcesses = false
  // A process that was about to make a host may have made it meanwhile: look until there is nothing.
  for (let marked = findMarked(labName); marked.length > 0; marked = findMarked(labName)) {
    hadProcesses = true
    for (const { pid } of marked) kill(pid)
    await untilEnded(marked, signal)
  }
  const hadCgroups = await removeCgroup(labCgroup(labName), signal)
  removeEmptyCgroup('/podwire')
  return hadProcesses || hadCgroups
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** A PID 1 is gone only after all processes of its namespace. */
async function untilEnded(processes: readonly ProcessInfo[], signal: AbortSignal): Promise<void> {
  while (processes.some(isRunning)) {
    if (signal.aborted) {
      const left = processes.filter(isRunning).map(({ pid, argv }) => `${pid} (${argv.slice(0, 3).join(' ')})`)
      throw new PodwireError('TIMED_OUT', `still running after SIGKILL: ${left.join(', ')}`, { cause: signal.reason })
    }
    await delay(5)
  }
}
