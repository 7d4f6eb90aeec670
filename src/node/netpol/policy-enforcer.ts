import { namespaces as namespaceResource, networkpolicies, pods as podResource } from '../../api/generated/resources.js'
import type { Namespace, NetworkPolicy, Node, Pod } from '../../api/generated/types.js'
import type { PolicyMode } from '../../base/config/agent-config.js'
import { isPodwireError, PodwireError } from '../../base/errors/podwire-error.js'
import { type Cidr, isIp, parseCidr, parseIp } from '../../base/net/address.js'
import type { Clock } from '../../base/time/clock.js'
import { withTimeLimit } from '../../base/time/time-limit.js'
import type { Client } from '../../client/client.js'
import { createInformer } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { type ClusterNetworkPolicy, clusterNetworkPolicies } from '../../netpol/cluster-network-policy.js'
import { type Attached, policyModel } from '../../netpol/policy-model.js'
import type { PolicyNodeFacts } from '../../netpol/policy-state.js'
import { type HeldPolicy, type PolicyMember, type PolicySwitchPlan, policySwitch, type WantedPolicy } from '../../netpol/policy-switch.js'
import { createRunner } from '../../reconcile/runner.js'

export interface PolicyEnforcerOptions {
  readonly client: Client
  readonly nodes: Informer<Node>
  readonly nodeName: string
  /** The ways in which this agent can enforce policies. */
  readonly members: readonly PolicyMember[]
  /** What is wanted: `none` takes all rules away; undefined while nobody has said. */
  readonly mode: () => PolicyMode | undefined
  /** The addresses that Pods of this node have been given by CNI, read at each `admit`; without it those that their status tells. */
  readonly readAttached?: () => readonly Attached[]
  readonly clock: Clock
  readonly onSynced?: (mode: PolicyMode) => void
  /** This machine cannot do what is wanted; what was enforced before still is. */
  readonly onRefused?: (mode: PolicyMode, why: PodwireError) => void
  readonly onError: (error: unknown) => void
}

export interface PolicyEnforcer {
  /** Asks for a sync soon: after any change that no informer told of. */
  trigger(): void
  /** Resolves when the rules for a Pod that has just been given its addresses are in the kernel. Errors: TIMED_OUT; the Pod is closed then. */
  admit(pod: { readonly namespace: string; readonly name: string }, signal: AbortSignal): Promise<void>
  /** Keeps the kernel up to date until `signal` aborts. The rules stay. */
  run(signal: AbortSignal): Promise<void>
}

/** A burst of changes is one transaction, and a single one waits for no other. */
const intervals = { minIntervalMs: 10, retryIntervalMs: 250, maxIntervalMs: 30_000, observeIntervalMs: 60_000 }
/** Less than the runtime's own patience with CNI. */
const admissionMs = 15_000

/** Network policies into this node's kernel. Nothing is touched before everything that decides is known; without any policy there is no rule. */
export function createPolicyEnforcer(options: PolicyEnforcerOptions): PolicyEnforcer {
  const { client, nodes, nodeName, clock, onSynced = () => {}, onRefused = () => {}, onError } = options
  let isKindAbsent = false
  const informerOptions = { clock, onError }
  const pods = createInformer<Pod>(client, podResource, informerOptions)
  const namespaces = createInformer<Namespace>(client, namespaceResource, informerOptions)
  const policies = createInformer<NetworkPolicy>(client, networkpolicies, informerOptions)
  const clusterPolicies = createInformer<ClusterNetworkPolicy>(client, clusterNetworkPolicies, {
    clock,
    // A cluster that does not know the kind has none of them.
    onError(error) {
      if (!isPodwireError(error, 'NOT_FOUND')) return onError(error)
      if (isKindAbsent) return
      isKindAbsent = true
      runner.trigger()
    },
  })
  const backend = policySwitch(options.members)
  const model = policyModel()
  let attached: readonly Attached[] = options.readAttached?.() ?? []
  let facts: PolicyNodeFacts | undefined
  let factsOf: Node | undefined
  let applied: WantedPolicy | undefined

  function nodeFacts(): PolicyNodeFacts | undefined {
    const node = nodes.get(nodeName)
    if (node !== factsOf || facts === undefined) facts = node && factsOfNode(node)
    factsOf = node
    return facts
  }

  function wantedNow(): WantedPolicy | undefined {
    const mode = options.mode()
    if (mode === undefined || mode === 'none') return mode && { mode, state: undefined }
    const areKnown = [pods, namespaces, policies, nodes].every(({ isSynced }) => isSynced) && (clusterPolicies.isSynced || isKindAbsent)
    const node = nodeFacts()
    if (!areKnown || node === undefined) return undefined
    const all = { policies: policies.list(), clusterPolicies: isKindAbsent ? [] : clusterPolicies.list() }
    if (all.policies.length + all.clusterPolicies.length === 0) return { mode, state: undefined }
    return { mode, state: model.build({ ...all, pods: pods.list(), namespaces: namespaces.list(), nodes: nodes.list(), node, attached }) }
  }

  const runner = createRunner<WantedPolicy, HeldPolicy, { readonly wanted: WantedPolicy; readonly plan: PolicySwitchPlan }>({
    ...intervals,
    clock,
    backend: {
      name: backend.name,
      observe: backend.observe,
      plan: (wanted, before) => ({ wanted, plan: backend.plan(wanted, before) }),
      async apply({ wanted, plan }, signal) {
        const after = await backend.apply(plan, signal).catch(error => {
          const isRefusal = isPodwireError(error, 'KERNEL_UNSUPPORTED') || isPodwireError(error, 'COMMAND_MISSING')
          if (isRefusal && plan.impossible !== undefined) onRefused(wanted.mode, error)
          throw error
        })
        applied = wanted
        onSynced(wanted.mode)
        return after
      },
    },
    desired: wantedNow,
    onError,
  })
  clusterPolicies.onChange(() => {
    isKindAbsent = false
  })
  for (const informer of [pods, namespaces, nodes, policies, clusterPolicies]) {
    informer.onChange(runner.trigger)
    void informer.synced.then(runner.trigger)
  }

  /** Whether nothing can be let through that policies deny: no policy, or the Pod's rules are there. */
  const isGuarded = (key: string): boolean =>
    applied !== undefined && (applied.state === undefined || (applied.state.pods.get(key)?.addresses.length ?? 0) > 0)

  return {
    trigger: runner.trigger,
    async admit({ namespace, name }, signal) {
      // Who is no Pod is closed while there are policies.
      if (name === '' || options.mode() === 'none') return
      attached = options.readAttached?.() ?? attached
      const wanted = wantedNow()
      // Without policies there is nothing to wait for, also where this kernel cannot enforce any.
      if (wanted !== undefined && wanted.state === undefined) return
      const key = `${namespace}/${name}`
      await withTimeLimit({ ms: admissionMs, signal }, async (limited, isOver) => {
        try {
          do await runner.settled(limited)
          while (!isGuarded(key) && (await changeOf(pods, limited)))
        } catch (error) {
          throw isOver() ? notGuarded(key) : error
        }
      })
    },
    run: async signal =>
      void (await Promise.all(
        [pods, namespaces, policies, clusterPolicies].map(informer => informer.run(signal)).concat(runner.run(signal)),
      )),
  }
}

const notGuarded = (key: string): PodwireError =>
  new PodwireError('TIMED_OUT', `the network policies of ${key} could not be put into the kernel in time`)

/** Resolves at the next change. */
const changeOf = (informer: Informer<unknown>, signal: AbortSignal): Promise<true> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const stop = informer.onChange(() => {
      stop()
      resolve(true)
    })
    signal.addEventListener('abort', () => {
      stop()
      reject(signal.reason)
    })
  })

function factsOfNode({ metadata, spec, status }: Node): PolicyNodeFacts {
  const ranges = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR])
  return {
    name: metadata?.name ?? '',
    addresses: (status?.addresses ?? []).flatMap(({ address }) => (isIp(address) ? [parseIp(address)] : [])),
    podRanges: ranges.map((range): Cidr => parseCidr(range)),
  }
}
