import { leases, nodes } from '../../api/generated/resources.js'
import type { Lease, NodeCondition } from '../../api/generated/types.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { Clock } from '../../base/time/clock.js'
import type { Client } from '../../client/client.js'
import type { KubeletConfig } from './kubelet-config.js'
import type { MachineFacts } from './machine-facts.js'
import { buildNode, buildNodeStatus, nodeLabels } from './node-status.js'
import type { PodRuntime, RuntimeCondition } from './pod-runtime.js'

export interface NodeReporterOptions {
  readonly config: KubeletConfig
  readonly client: Client
  readonly clock: Clock
  readonly runtime: PodRuntime
  readonly machine: MachineFacts
  /** Where the kubelet answers the API server. */
  readonly port?: number | undefined
}

/** Tells the API server that the node is there and how it is. */
export interface NodeReporter {
  /** Creates the Node, or brings its labels up to date. */
  register(signal: AbortSignal): Promise<void>
  /** Publishes the node's status; returns whether the node is ready. */
  report(signal: AbortSignal): Promise<boolean>
  /** Renews the lease by which the control plane sees that the node lives. */
  renewLease(signal: AbortSignal): Promise<void>
}

const leaseNamespace = 'kube-node-lease'
/** A node that has not renewed for this long is taken for dead. */
const leaseDurationSeconds = 40

export function createNodeReporter({ config, client, clock, runtime, machine, port }: NodeReporterOptions): NodeReporter {
  const at = { name: config.nodeName }
  let before: readonly NodeCondition[] = []
  let runtimeVersion = ''

  async function condition(signal: AbortSignal): Promise<RuntimeCondition> {
    try {
      if (runtimeVersion === '') runtimeVersion = await runtime.version(signal)
      return await runtime.condition(signal)
    } catch (error) {
      signal.throwIfAborted()
      return { isRuntimeReady: false, isNetworkReady: false, message: (error as Error).message }
    }
  }

  return {
    async register(signal) {
      try {
        await client.create(nodes, buildNode(config, machine), signal)
      } catch (error) {
        if (!isPodwireError(error, 'ALREADY_EXISTS')) throw error
        const known = await client.patch(nodes, at, { metadata: { labels: nodeLabels(config, machine) } }, { type: 'merge' }, signal)
        before = known.status?.conditions ?? []
      }
    },
    async report(signal) {
      const seen = await condition(signal)
      const images = seen.isRuntimeReady ? await runtime.images(signal) : []
      const status = buildNodeStatus({ config, machine, condition: seen, runtimeVersion, images, before, port, nowMs: clock.now() })
      await client.patch(nodes, at, { status }, { type: 'merge', subresource: 'status' }, signal)
      before = status.conditions ?? []
      return seen.isRuntimeReady && seen.isNetworkReady
    },
    async renewLease(signal) {
      const renewTime = `${new Date(clock.now()).toISOString().slice(0, -1)}000Z`
      const spec = { holderIdentity: config.nodeName, leaseDurationSeconds, renewTime }
      try {
        await client.patch(leases, { namespace: leaseNamespace, ...at }, { spec }, { type: 'merge' }, signal)
      } catch (error) {
        if (!isPodwireError(error, 'NOT_FOUND')) throw error
        const lease: Lease = {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { namespace: leaseNamespace, name: config.nodeName },
          spec,
        }
        await client.create(leases, lease, signal)
      }
    },
  }
}
