import type { Namespace, NetworkPolicy, Node, Pod } from '../../api/generated/types.js'
import { parseCidr, parseIp } from '../../base/net/address.js'
import { execNftables } from '../../kernel/exec-nftables.js'
import { localMachine } from '../../kernel/local-machine.js'
import { createNetns } from '../../kernel/netns.js'
import { type AppliedPolicy, nftablesPolicy } from '../../netpol/nftables-backend.js'
import { type PolicyModel, policyModel } from '../../netpol/policy-model.js'
import { type Arm, type BenchCase, type Scale, timed, type Workload } from '../workload.js'

const sizes: Readonly<Record<Scale, readonly number[]>> = { quick: [100, 1_000], default: [100, 1_000, 5_000], full: [100, 1_000, 5_000] }
const podCount = 10_000
const namespaceCount = 100
const nodeCount = 100
const ms = 'ms'
const peer = { arm: 'kube-network-policies', why: 'not installed; it judges in user space and has no sync of rules to compare' }

/** What the objects of a cluster cost to be brought into the kernel of one of its nodes. */
export const netpolWorkload: Workload = {
  name: 'netpol',
  summary: `network policies into the kernel, ${podCount} simulated Pods: full sync and one changed label by number of policies`,
  cases: ({ scale }) => [syncCase('full sync', sizes[scale], fullSync), syncCase('one change', sizes[scale], oneChange)],
}

interface Cluster {
  readonly pods: readonly Pod[]
  readonly namespaces: readonly Namespace[]
  readonly policies: readonly NetworkPolicy[]
}

interface Rig {
  readonly cluster: Cluster
  readonly backend: ReturnType<typeof nftablesPolicy>
}

type Measure = (rig: Rig, signal: AbortSignal) => Promise<() => Promise<number>>

function syncCase(name: string, counts: readonly number[], measure: Measure): BenchCase {
  const armName = (count: number) => `${count} policies`
  return {
    name,
    parameters: { pods: podCount, nodes: nodeCount },
    metrics: [timed(ms, ms)],
    baseline: armName(counts[0]!),
    async prepare(_context, signal) {
      const made: { close(): void }[] = []
      const arms: Arm[] = []
      for (const count of counts) {
        const netns = createNetns()
        made.push(netns)
        const rig: Rig = { cluster: clusterOf(count), backend: nftablesPolicy(execNftables(localMachine.enter(netns.path).run)) }
        const run = await measure(rig, signal)
        arms.push({ name: armName(count), measure: async () => ({ [ms]: await run() }) })
      }
      return {
        arms,
        missing: [peer],
        async close() {
          for (const netns of made) netns.close()
        },
      }
    },
  }
}

/** Nothing is known and nothing is in the kernel. */
const fullSync: Measure =
  async ({ cluster, backend }, signal) =>
  async () => {
    const start = performance.now()
    const state = build(policyModel(), cluster)
    const applied = await backend.apply(backend.plan(state, await backend.observe(signal)), signal)
    const elapsed = performance.now() - start
    await backend.apply(backend.plan(undefined, applied), signal)
    return elapsed
  }

/** A Pod that rules allow as a peer gets another label, and the next time its old one. */
const oneChange: Measure = async ({ cluster, backend }, signal) => {
  const model = policyModel()
  let applied: AppliedPolicy = await backend.apply(backend.plan(build(model, cluster), await backend.observe(signal)), signal)
  const [first, ...rest] = cluster.pods
  const changed: Pod = { ...first!, metadata: { ...first!.metadata, labels: { app: 'nobody' } } }
  let isChanged = false
  return async () => {
    isChanged = !isChanged
    const pods = [isChanged ? changed : first!, ...rest]
    const start = performance.now()
    const plan = backend.plan(build(model, { ...cluster, pods }), applied)
    if (plan.transaction === '') throw new Error('the changed label changed no rule')
    applied = await backend.apply(plan, signal)
    return performance.now() - start
  }
}

const nodeObjects: readonly Node[] = []

const build = (model: PolicyModel, cluster: Cluster) =>
  model.build({
    ...cluster,
    nodes: nodeObjects,
    clusterPolicies: [],
    attached: [],
    node: { name: 'node-0', addresses: [parseIp('172.30.0.11')], podRanges: [parseCidr('10.0.0.0/24')] },
  })

/** Policies of ten applications a namespace, each let in by another one, of its own namespace and of one other. */
function clusterOf(policyCount: number): Cluster {
  const namespace = (i: number) => `ns-${i % namespaceCount}`
  const pods = Array.from({ length: podCount }, (_, i): Pod => {
    const node = Math.floor(i / (podCount / nodeCount))
    const ip = `10.0.${node}.${(i % (podCount / nodeCount)) + 2}`
    return {
      metadata: { namespace: namespace(i), name: `pod-${i}`, labels: { app: `app-${Math.floor(i / namespaceCount) % 10}` } },
      spec: { nodeName: `node-${node}`, containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }] },
      status: { phase: 'Running', podIP: ip },
    }
  })
  const policies = Array.from({ length: policyCount }, (_, i): NetworkPolicy => {
    const app = Math.floor(i / namespaceCount)
    return {
      metadata: { namespace: namespace(i), name: `policy-${i}` },
      spec: {
        podSelector: { matchLabels: { app: `app-${app % 10}` } },
        policyTypes: ['Ingress'],
        ingress: [
          {
            from: [
              { podSelector: { matchLabels: { app: 'app-0' } } },
              { namespaceSelector: { matchLabels: { name: namespace(i + 1) } }, podSelector: { matchLabels: { app: 'app-0' } } },
            ],
            ports: [{ port: 8080 + app }],
          },
        ],
      },
    }
  })
  const namespaces = Array.from(
    { length: namespaceCount },
    (_, i): Namespace => ({ metadata: { name: namespace(i), labels: { name: namespace(i) } } }),
  )
  return { pods, namespaces, policies }
}
