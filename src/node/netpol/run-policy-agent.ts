import { nodes as nodeResource } from '../../api/generated/resources.js'
import type { Node } from '../../api/generated/types.js'
import { PodwireError } from '../../base/errors/podwire-error.js'
import type { Clock } from '../../base/time/clock.js'
import type { Client } from '../../client/client.js'
import { createInformer } from '../../client/http-informer.js'
import { type PolicyMember, policySwitch } from '../../netpol/policy-switch.js'
import { createPolicyEnforcer } from './policy-enforcer.js'

/** What the command line says. */
export interface PolicyAgentOptions {
  readonly kubeconfig?: string
  readonly hostnameOverride?: string
  /** Without it nftables. */
  readonly mode?: PolicyMember['mode']
  /** Only take away the rules that are in this network namespace. */
  readonly cleanup: boolean
}

export interface PolicyAgentParts {
  readonly members: readonly PolicyMember[]
  readonly clock: Clock
  readonly log: { warn(facts: object, message: string): void; info(facts: object, message: string): void }
  readonly hostname: () => string
  readonly connect: (kubeconfig: string) => Client
}

/**
 * Enforces network policies on this machine for any cluster whose Pods are routed through this network namespace, until `signal` aborts; or cleans up and returns.
 * A Pod is closed until its status tells its address, where its Node has a Pod range and there are policies. The rules stay. Errors: CONFIG_INVALID.
 */
export async function runPolicyAgent(options: PolicyAgentOptions, parts: PolicyAgentParts, signal: AbortSignal): Promise<void> {
  const { members, clock, log, hostname, connect } = parts
  if (options.cleanup) {
    const backend = policySwitch(members)
    await backend.apply(backend.plan({ mode: 'none', state: undefined }, await backend.observe(signal)), signal)
    return
  }
  if (options.kubeconfig === undefined) {
    throw new PodwireError('CONFIG_INVALID', 'the enforcer of network policies is not told which cluster it is for', {
      hint: 'Give --kubeconfig FILE.',
    })
  }
  const nodeName = (options.hostnameOverride ?? hostname()).toLowerCase()
  const client = connect(options.kubeconfig)
  const onError = (error: unknown) => {
    if (!signal.aborted) log.warn({ error: String(error) }, 'network policies could not be brought up to date')
  }
  let isEnforcing = false
  const nodes = createInformer<Node>(client, nodeResource, { clock, onError })
  const enforcer = createPolicyEnforcer({
    client,
    nodes,
    nodeName,
    members,
    mode: () => options.mode ?? 'nftables',
    clock,
    onSynced() {
      if (!isEnforcing) log.info({ node: nodeName }, 'enforcing network policies')
      isEnforcing = true
    },
    onError,
  })
  void nodes.synced.then(() => {
    if (nodes.get(nodeName) === undefined) log.warn({ node: nodeName }, 'the cluster has no such Node; network policies wait for it')
  })
  try {
    await Promise.all([nodes.run(signal), enforcer.run(signal)])
  } finally {
    client.close()
  }
}
