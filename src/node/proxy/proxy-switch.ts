import { isPodwireError, PodwireError } from '../../base/errors/podwire-error.js'
import type { IpFamily } from '../../base/net/address.js'
import type { Backend } from '../../reconcile/backend.js'
import type { ProxyMode } from '../../service-model/proxy-settings.js'
import type { ServiceState } from '../../service-model/service-state.js'

/** One way to put the Services of one family into this kernel. */
export interface ProxyMember {
  readonly mode: ProxyMode
  readonly family: IpFamily
  readonly backend: Backend<ServiceState | undefined, unknown, unknown>
  /** A quick look whether somebody swept our rules away; without it that is seen at the next full look. */
  readonly isIntact?: (signal: AbortSignal) => Promise<boolean>
}

/** What must be true of Services on this node, by which mode. Without a mode all that any mode left is removed. */
export interface WantedServices {
  readonly mode: ProxyMode | undefined
  readonly states: ReadonlyMap<IpFamily, ServiceState>
}

export interface AppliedServices {
  /** The mode that was applied last; undefined: it is not known which one the kernel's rules are of. */
  readonly mode: ProxyMode | undefined
  /** What each member holds. One that this machine cannot do is not among them: it holds nothing. */
  readonly held: ReadonlyMap<ProxyMember, unknown>
}

interface MemberPlan {
  readonly member: ProxyMember
  readonly plan: unknown
}

export interface SwitchPlan {
  readonly wanted: WantedServices
  readonly enter: readonly MemberPlan[]
  readonly leave: readonly MemberPlan[]
  /** Members that are wanted, and that this machine cannot do. */
  readonly impossible: readonly ProxyMember[]
  /** The mode before. */
  readonly from: ProxyMode | undefined
}

/**
 * All modes as one backend, of which one is in use. What the wanted mode needs is in the kernel before what others left goes,
 * so that a new connection always meets rules. Leftovers of any mode are found by their names, whoever made them.
 */
export function proxySwitch(members: readonly ProxyMember[]): Backend<WantedServices, AppliedServices, SwitchPlan> {
  return {
    name: 'services',

    async observe(signal) {
      const held = new Map<ProxyMember, unknown>()
      for (const member of members) {
        const found = await observeIfPossible(member, signal)
        if (found !== undefined) held.set(member, found.applied)
      }
      return { mode: undefined, held }
    },

    plan(wanted, { mode, held }) {
      const isWanted = (member: ProxyMember) => member.mode === wanted.mode && wanted.states.has(member.family)
      const planOf = (desired: ServiceState | undefined, member: ProxyMember): MemberPlan => ({
        member,
        plan: member.backend.plan(desired, held.get(member)),
      })
      const known = [...held.keys()]
      return {
        wanted,
        enter: known.filter(isWanted).map(member => planOf(wanted.states.get(member.family), member)),
        leave: known.filter(member => !isWanted(member)).map(member => planOf(undefined, member)),
        impossible: members.filter(member => isWanted(member) && !held.has(member)),
        from: mode,
      }
    },

    async apply({ wanted, enter, leave, impossible, from }, signal) {
      if (wanted.mode !== undefined && !members.some(({ mode }) => mode === wanted.mode)) {
        throw new PodwireError('KERNEL_UNSUPPORTED', `this agent has no service proxy ${wanted.mode}`)
      }
      // What the kernel lacks says so itself; nothing has been touched then.
      for (const { backend } of impossible) await backend.observe(signal)
      const held = new Map<ProxyMember, unknown>()
      const enterAnew = async () => {
        for (const { member } of enter) {
          const { backend, family } = member
          held.set(member, await backend.apply(backend.plan(wanted.states.get(family), await backend.observe(signal)), signal))
        }
      }
      // Modes that share names of chains take them from each other, so what is there is looked at before and after.
      const isSwitch = from !== wanted.mode
      if (isSwitch && from !== undefined) await enterAnew()
      else for (const { member, plan } of enter) held.set(member, await member.backend.apply(plan, signal))
      for (const { member, plan } of leave) held.set(member, await member.backend.apply(plan, signal))
      if (isSwitch) await enterAnew()
      return { mode: wanted.mode, held }
    },
  }
}

/** Undefined when this kernel or machine cannot do it, and so cannot hold anything of it. */
async function observeIfPossible({ backend }: ProxyMember, signal: AbortSignal): Promise<{ readonly applied: unknown } | undefined> {
  try {
    return { applied: await backend.observe(signal) }
  } catch (error) {
    if (isPodwireError(error, 'KERNEL_UNSUPPORTED') || isPodwireError(error, 'COMMAND_MISSING')) return undefined
    throw error
  }
}

/** Takes away whatever any mode left on this node, ours or kube-proxy's. */
export async function cleanUpServices(members: readonly ProxyMember[], signal: AbortSignal): Promise<void> {
  const all = proxySwitch(members)
  await all.apply(all.plan({ mode: undefined, states: new Map() }, await all.observe(signal)), signal)
}
