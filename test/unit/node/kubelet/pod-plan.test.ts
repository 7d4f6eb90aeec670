import t from 'tap'

import type { Container, Pod } from '../../../../src/api/generated/types.js'
import type { ContainerHealth } from '../../../../src/node/kubelet/container-health.js'
import { containerHash } from '../../../../src/node/kubelet/container-spec.js'
import { type PodPlan, planPod } from '../../../../src/node/kubelet/pod-plan.js'
import type { RuntimeContainer, RuntimePod, RuntimeSandbox } from '../../../../src/node/kubelet/pod-runtime.js'

const container = (name: string, more: Partial<Container> = {}): Container => ({ name, image: 'app', ...more })
const main = container('main')
const init = container('init')
const sidecar = container('sidecar', { restartPolicy: 'Always' })

const podOf = (spec: Partial<NonNullable<Pod['spec']>> = {}, phase?: string): Pod => ({
  metadata: { name: 'web', namespace: 'shop', uid: 'u1' },
  spec: { containers: [main], ...spec },
  ...(phase ? { status: { phase } } : {}),
})
const sandbox = (id: string, more: Partial<RuntimeSandbox> = {}): RuntimeSandbox => ({
  id,
  attempt: 0,
  isReady: true,
  createdAtMs: 0,
  ips: ['10.244.1.2'],
  ...more,
})
const seen = (id: string, of: Container, more: Partial<RuntimeContainer> = {}): RuntimeContainer => ({
  id,
  sandboxId: 's0',
  name: of.name,
  attempt: 0,
  image: of.image ?? '',
  imageId: 'sha256:1',
  specHash: containerHash(of),
  state: 'running',
  createdAtMs: 0,
  startedAtMs: 0,
  finishedAtMs: 0,
  exitCode: 0,
  reason: '',
  message: '',
  ...more,
})
const ended = (exitCode: number, more: Partial<RuntimeContainer> = {}) => ({ state: 'exited', exitCode, ...more }) as const

interface Case {
  readonly pod: Pod
  readonly sandboxes?: readonly RuntimeSandbox[]
  readonly containers?: readonly RuntimeContainer[]
  readonly failed?: string
  readonly want: { readonly [K in keyof PodPlan]?: PodPlan[K] | readonly string[] }
}

const s0 = [sandbox('s0')]
const cases: Readonly<Record<string, Case>> = {
  'a new Pod begins with its sandbox': { pod: podOf(), want: { createSandbox: 0, start: ['main 0'] } },
  'a sandbox without an address is of no use': {
    pod: podOf(),
    sandboxes: [sandbox('s0', { ips: [] })],
    want: { stopSandboxes: ['s0'], createSandbox: 1, start: ['main 0'] },
  },
  'on the network of the node it needs none': {
    pod: podOf({ hostNetwork: true }),
    sandboxes: [sandbox('s0', { ips: [] })],
    want: { start: ['main 0'] },
  },
  'what runs is left alone': { pod: podOf(), sandboxes: s0, containers: [seen('c0', main)], want: {} },
  'a container that was never started is replaced and is no restart': {
    pod: podOf(),
    sandboxes: s0,
    containers: [seen('c0', main, { state: 'created', attempt: 3 })],
    want: { removeContainers: ['c0'], start: ['main 3'] },
  },
  'a container that the runtime has lost sight of is ended first': {
    pod: podOf(),
    sandboxes: s0,
    containers: [seen('c0', main, { state: 'unknown' })],
    want: { kill: ['c0'] },
  },
  'another image is another container': {
    pod: podOf({ containers: [container('main', { image: 'app:v2' })] }),
    sandboxes: s0,
    containers: [seen('c0', main)],
    want: { kill: ['c0'] },
  },
  'a failed liveness probe ends it': { pod: podOf(), sandboxes: s0, containers: [seen('c0', main)], failed: 'c0', want: { kill: ['c0'] } },
  'Always starts what ended well': { pod: podOf(), sandboxes: s0, containers: [seen('c0', main, ended(0))], want: { start: ['main 1'] } },
  'OnFailure starts what failed': {
    pod: podOf({ restartPolicy: 'OnFailure' }),
    sandboxes: s0,
    containers: [seen('c0', main, ended(1))],
    want: { start: ['main 1'] },
  },
  'OnFailure is content with success': {
    pod: podOf({ restartPolicy: 'OnFailure' }),
    sandboxes: s0,
    containers: [seen('c0', main, ended(0))],
    want: { isFinished: true, stopSandboxes: ['s0'] },
  },
  'Never is never': {
    pod: podOf({ restartPolicy: 'Never' }),
    sandboxes: s0,
    containers: [seen('c0', main, ended(1))],
    want: { isFinished: true, stopSandboxes: ['s0'] },
  },
  'an end that was published is never taken back': { pod: podOf({}, 'Failed'), want: { isFinished: true } },
  'a dead sandbox takes its containers with it; only what may run again does': {
    pod: podOf({ restartPolicy: 'OnFailure', containers: [main, container('done')] }),
    sandboxes: [sandbox('s0', { isReady: false })],
    containers: [seen('c0', main, ended(137)), seen('c1', container('done'), ended(0))],
    want: { createSandbox: 1, start: ['main 1'] },
  },
  'init containers come one by one': {
    pod: podOf({ initContainers: [init, container('second')] }),
    sandboxes: s0,
    want: { start: ['init 0'] },
  },
  'the next one waits for the first': {
    pod: podOf({ initContainers: [init, container('second')] }),
    sandboxes: s0,
    containers: [seen('i0', init)],
    want: {},
  },
  'after the last one the Pod begins': {
    pod: podOf({ initContainers: [init] }),
    sandboxes: s0,
    containers: [seen('i0', init, ended(0))],
    want: { start: ['main 0'] },
  },
  'an init container that fails is tried again': {
    pod: podOf({ initContainers: [init] }),
    sandboxes: s0,
    containers: [seen('i0', init, ended(1))],
    want: { start: ['init 1'] },
  },
  'or ends the Pod': {
    pod: podOf({ initContainers: [init], restartPolicy: 'Never' }),
    sandboxes: s0,
    containers: [seen('i0', init, ended(1))],
    want: { isFinished: true, stopSandboxes: ['s0'] },
  },
  'a new sandbox is initialised afresh': {
    pod: podOf({ initContainers: [init] }),
    sandboxes: [sandbox('s1', { attempt: 1 }), sandbox('s0', { isReady: false })],
    containers: [seen('c0', main, ended(137)), seen('i0', init, ended(0))],
    want: { start: ['init 1'] },
  },
  'a sidecar holds up the others until it has started': {
    pod: podOf({ initContainers: [sidecar] }),
    sandboxes: s0,
    want: { start: ['sidecar 0'] },
  },
  'and then goes on beside them': {
    pod: podOf({ initContainers: [sidecar] }),
    sandboxes: s0,
    containers: [seen('x0', sidecar)],
    want: { start: ['main 0'] },
  },
  'and is started again whatever the policy': {
    pod: podOf({ initContainers: [sidecar], restartPolicy: 'Never' }),
    sandboxes: s0,
    containers: [seen('x0', sidecar, ended(0)), seen('c0', main)],
    want: { start: ['sidecar 1'] },
  },
  'of each name the newest two are kept': {
    pod: podOf(),
    sandboxes: s0,
    containers: [seen('c2', main, { attempt: 2 }), seen('c1', main, ended(1, { attempt: 1 })), seen('c0', main, ended(1))],
    want: { removeContainers: ['c0'] },
  },
  'an old sandbox goes when nothing of it is kept': {
    pod: podOf(),
    sandboxes: [sandbox('s1', { attempt: 1 }), sandbox('s0', { isReady: false })],
    containers: [seen('c1', main, { attempt: 1, sandboxId: 's1' })],
    want: { removeSandboxes: ['s0'] },
  },
}

const nothing = {
  stopSandboxes: [],
  createSandbox: undefined,
  kill: [],
  removeContainers: [],
  removeSandboxes: [],
  start: [],
  isFinished: false,
}

for (const [name, { pod, sandboxes = [], containers = [], failed, want }] of Object.entries(cases)) {
  t.test(name, async t => {
    const health: ContainerHealth = {
      isStarted: () => true,
      isReady: () => true,
      failedProbe: id => (id === failed ? 'liveness' : undefined),
    }
    const observed: RuntimePod = { uid: 'u1', namespace: 'shop', name: 'web', sandboxes, containers }
    const plan = planPod(pod, observed, health)
    const shown = {
      ...plan,
      kill: plan.kill.map(({ container: { id } }) => id),
      start: plan.start.map(({ container: { name }, attempt }) => `${name} ${attempt}`),
    }
    t.strictSame(shown, { ...nothing, ...want })
  })
}
