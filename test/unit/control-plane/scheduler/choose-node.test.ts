import t from 'tap'

import type { Node, Pod, PodSpec } from '../../../../src/api/generated/types.js'
import { chooseNode } from '../../../../src/control-plane/scheduler/choose-node.js'
import { buildSnapshot } from '../../../../src/control-plane/scheduler/snapshot.js'

interface NodeOptions {
  readonly labels?: Record<string, string>
  readonly spec?: Node['spec']
  readonly allocatable?: Record<string, string>
  readonly isReady?: boolean
}

function node(name: string, { labels, spec, allocatable, isReady = true }: NodeOptions = {}): Node {
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    ...(spec && { spec }),
    status: {
      allocatable: { cpu: '2', memory: '4Gi', pods: '110', ...allocatable },
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
    },
  }
}

interface PodOptions {
  readonly on?: string
  readonly labels?: Record<string, string>
  readonly owner?: string
  readonly cpu?: string
  readonly phase?: string
  readonly spec?: Partial<PodSpec>
}

let serial = 0
function pod({ on, labels = {}, owner, cpu, phase, spec }: PodOptions = {}): Pod {
  const resources = cpu === undefined ? {} : { requests: { cpu } }
  return {
    metadata: {
      name: `pod-${serial++}`,
      namespace: 'default',
      labels,
      ...(owner && { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true }] }),
    },
    spec: { containers: [{ name: 'main', resources }], ...spec, ...(on && { nodeName: on }) },
    ...(phase && { status: { phase } }),
  }
}

interface Case {
  readonly nodes: readonly Node[]
  readonly pods?: readonly Pod[]
  readonly pod?: PodOptions
  /** The node, or the message when there is none. */
  readonly want: string
}

const three = [node('a'), node('b'), node('c')]
const far = (topologyKey: string) => ({
  podAntiAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey, labelSelector: { matchLabels: { app: 'db' } } }],
  },
})
const near = {
  podAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', labelSelector: { matchLabels: { app: 'db' } } }],
  },
}
const spread = {
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: { app: 'web' } } },
  ],
}
const tainted = (effect: string) => ({ taints: [{ key: 'dedicated', value: 'gpu', effect }] })
const zones = [node('a', { labels: { zone: 'x' } }), node('b', { labels: { zone: 'x' } }), node('c', { labels: { zone: 'y' } })]

const cases: Readonly<Record<string, Case>> = {
  'equals are chosen by name': { nodes: three, want: 'a' },
  'no nodes at all': { nodes: [], want: 'no nodes available to schedule pods' },
  'a node that is not ready': { nodes: [node('a', { isReady: false }), node('b')], want: 'b' },
  'a cordoned node': {
    nodes: [node('a', { spec: { unschedulable: true } })],
    want: '0/1 nodes are available: 1 node(s) were unschedulable.',
  },
  'a cordoned node, tolerated': {
    nodes: [node('a', { spec: { unschedulable: true } })],
    pod: { spec: { tolerations: [{ operator: 'Exists' }] } },
    want: 'a',
  },
  'an untolerated taint': {
    nodes: [node('a', { spec: tainted('NoSchedule') })],
    want: '0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: gpu}.',
  },
  'a tolerated taint': {
    nodes: [node('a', { spec: tainted('NoExecute') })],
    pod: { spec: { tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'gpu', effect: 'NoExecute' }] } },
    want: 'a',
  },
  'a soft taint only makes a node worse': { nodes: [node('a', { spec: tainted('PreferNoSchedule') }), node('b')], want: 'b' },
  'a node selector': {
    nodes: [node('a'), node('b', { labels: { disk: 'ssd' } })],
    pod: { spec: { nodeSelector: { disk: 'ssd' } } },
    want: 'b',
  },
  'required node affinity by expression': {
    nodes: three,
    pod: {
      spec: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'NotIn', values: ['a', 'b'] }] }],
            },
          },
        },
      },
    },
    want: 'c',
  },
  'cpu that is not there': {
    nodes: [node('a'), node('b', { allocatable: { cpu: '500m' } })],
    pods: [pod({ on: 'a', cpu: '1500m' })],
    pod: { cpu: '600m' },
    want: '0/2 nodes are available: 2 Insufficient cpu.',
  },
  'a Pod that ended needs nothing': {
    nodes: [node('a')],
    pods: [pod({ on: 'a', cpu: '2', phase: 'Succeeded' })],
    pod: { cpu: '2' },
    want: 'a',
  },
  'too many Pods': {
    nodes: [node('a', { allocatable: { pods: '1' } })],
    pods: [pod({ on: 'a' })],
    want: '0/1 nodes are available: 1 Too many pods.',
  },
  'a host port that is taken': {
    nodes: [node('a'), node('b')],
    pods: [pod({ on: 'a', spec: { containers: [{ name: 'x', ports: [{ containerPort: 80, hostPort: 80 }] }] } })],
    pod: { spec: { containers: [{ name: 'y', ports: [{ containerPort: 8080, hostPort: 80 }] }] } },
    want: 'b',
  },
  'the emptier node': { nodes: [node('a'), node('b')], pods: [pod({ on: 'a', cpu: '1' })], pod: { cpu: '100m' }, want: 'b' },
  'Pods of one owner spread': {
    nodes: three,
    pods: [pod({ on: 'a', owner: 'rs' }), pod({ on: 'b', owner: 'rs' })],
    pod: { owner: 'rs' },
    want: 'c',
  },
  'anti-affinity by node': {
    nodes: [node('a'), node('b')],
    pods: [pod({ on: 'a', labels: { app: 'db' } })],
    pod: { spec: { affinity: far('kubernetes.io/hostname') } },
    want: 'b',
  },
  'anti-affinity by zone': {
    nodes: zones,
    pods: [pod({ on: 'a', labels: { app: 'db' } })],
    pod: { spec: { affinity: far('zone') } },
    want: 'c',
  },
  'the anti-affinity of a Pod already there': {
    nodes: [node('a'), node('b')],
    pods: [pod({ on: 'a', labels: { app: 'web' }, spec: { affinity: far('kubernetes.io/hostname') } })],
    pod: { labels: { app: 'db' } },
    want: 'b',
  },
  'affinity by zone': { nodes: zones, pods: [pod({ on: 'c', labels: { app: 'db' } })], pod: { spec: { affinity: near } }, want: 'c' },
  'affinity to what is nowhere': {
    nodes: zones,
    pod: { spec: { affinity: near } },
    want: "0/3 nodes are available: 3 node(s) didn't match pod affinity rules.",
  },
  'affinity to its own kind, the first of them': { nodes: zones, pod: { labels: { app: 'db' }, spec: { affinity: near } }, want: 'a' },
  'a spread constraint over zones': {
    nodes: zones,
    pods: [pod({ on: 'a', labels: { app: 'web' } })],
    pod: { labels: { app: 'web' }, spec: spread },
    want: 'c',
  },
}

for (const [name, { nodes, pods = [], pod: options, want }] of Object.entries(cases)) {
  t.test(name, async t => {
    const choice = chooseNode(pod(options), buildSnapshot(nodes, pods))
    t.equal(choice.node ?? choice.message, want)
  })
}
