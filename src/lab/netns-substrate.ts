import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { PodwireError } from '../base/errors/podwire-error.js'
import { type Cidr, cidrParts, type Ip, ipToNumber } from '../base/net/address.js'
import { removeCgroup, removeEmptyCgroup } from '../kernel/cgroup.js'
import type { LocalHost } from '../kernel/host.js'
import { createNamespaceHost, findMarked, namespaceHost, type TreeStep } from '../kernel/namespace-host.js'
import { openRtnetlink } from '../kernel/netlink-rtnetlink.js'
import { netnsOf } from '../kernel/netns.js'
import { isRunning, type ProcessInfo } from '../kernel/proc.js'
import { ensureSysctl } from '../kernel/sysctl.js'
import { underlayName } from './host-names.js'
import { gatewayAddress, type HostPlan, planHosts } from './host-plan.js'
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
const bridgeName = 'br0'

/** Hosts as namespace sets of this kernel; the underlay is a bridge in a namespace of its own, so that nothing is in the root namespace. */
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
    const [segment, ...hosts] = made
    connect(spec, segment!, hosts, plans)
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
  const folders = role === 'node' ? privateFolders : []
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

/** Where a machine with cgroup1 hierarchies mounts the cgroup2 beside them. */
const unified = '/sys/fs/cgroup/unified'

const hostFiles = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf'] as const

function writeHostFiles(paths: LabPaths, { name, role }: HostPlan, plans: readonly HostPlan[]): void {
  const texts: Readonly<Record<(typeof hostFiles)[number], string>> = {
    '/etc/hosts': ['127.0.0.1 localhost', ...plans.map(plan => `${plan.address} ${plan.name}`), ''].join('\n'),
    '/etc/hostname': `${name}\n`,
    '/etc/resolv.conf': '# The underlay has no name server.\n',
  }
  const folders = role === 'node' ? privateFolders : []
  for (const dir of ['/etc', ...folders]) mkdirSync(paths.onHost(name, dir), { recursive: true })
  for (const file of hostFiles) writeFileSync(paths.onHost(name, file), texts[file])
}

/** Each veth is made inside the underlay's namespace and its other end goes to the host, so the root namespace never sees it. */
function connect(spec: LabSpec, segment: LocalHost, hosts: readonly LocalHost[], plans: readonly HostPlan[]): void {
  const { mtu, subnet } = spec.underlay
  const { prefix } = cidrParts(subnet as Cidr)
  const gateway = gatewayAddress(spec)
  segment.netns(() => {
    const links = openRtnetlink()
    try {
      silenceIpv6('default')
      // As on a real segment a router answers for what is nowhere: with "unreachable", at once.
      ensureSysctl('net/ipv4/ip_forward', '1')
      links.changeLink(links.link('lo')!.index, { up: true })
      links.addBridge({ name: bridgeName, mtu })
      const bridge = links.link(bridgeName)!.index
      plans.forEach((plan, i) => {
        const netnsFd = openSync(netnsOf(hosts[i]!.pid), 'r')
        try {
          links.addVeth({ name: plan.name, mtu, peer: { name: uplink, netnsFd, mac: plan.mac } })
        } finally {
          closeSync(netnsFd)
        }
        links.changeLink(links.link(plan.name)!.index, { master: bridge, up: true })
      })
      links.changeLink(bridge, { up: true })
      links.addAddress({ link: bridge, cidr: `${gateway}/${prefix}` })
    } finally {
      links.close()
    }
  })
  plans.forEach((plan, i) => {
    hosts[i]!.netns(() => {
      const links = openRtnetlink()
      try {
        silenceIpv6(uplink)
        const link = links.link(uplink)!.index
        links.changeLink(links.link('lo')!.index, { up: true })
        links.changeLink(link, { mtu, up: true })
        links.addAddress({ link, cidr: `${plan.address}/${prefix}` })
        links.replaceRoute({ destination: 'default', gateway, link })
      } finally {
        links.close()
      }
    })
  })
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
