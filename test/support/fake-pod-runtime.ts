import { PodwireError } from '../../src/base/errors/podwire-error.js'
import type { Clock } from '../../src/base/time/clock.js'
import type {
  ContainerSpec,
  ExecResult,
  PodIdentity,
  PodRuntime,
  RuntimeContainer,
  RuntimeContainerState,
  RuntimeImage,
  RuntimeSandbox,
  SandboxSpec,
} from '../../src/node/kubelet/pod-runtime.js'

/** A container runtime in memory that refuses what a real one refuses. Containers run until the test or the kubelet ends them. */
export interface FakePodRuntime extends PodRuntime {
  /** What the kubelet asked for, in order: `run sandbox`, `create main 0`, `stop main 0 30`. */
  readonly calls: readonly string[]
  addImage(name: string): void
  setCondition(condition: { readonly isRuntimeReady: boolean; readonly isNetworkReady: boolean }): void
  /** The running container of this name ends by itself. */
  exit(name: string, exitCode: number): void
  /** The sandbox of the Pod dies with all its containers. */
  breakSandbox(podName: string): void
  /** What a command in a container does; by default it succeeds. */
  onExec(run: (container: string, argv: readonly string[]) => ExecResult | Promise<ExecResult>): void
  /** The description of the container made last under this name. */
  specOf(name: string): ContainerSpec | undefined
}

interface Sandbox {
  readonly spec: SandboxSpec
  readonly facts: RuntimeSandbox
  isReady: boolean
}
interface Container {
  readonly pod: PodIdentity
  readonly spec: ContainerSpec
  readonly facts: RuntimeContainer
  state: RuntimeContainerState
  startedAtMs: number
  finishedAtMs: number
  exitCode: number
}

export function fakePodRuntime(clock: Clock, imageNames: readonly string[]): FakePodRuntime {
  const sandboxes = new Map<string, Sandbox>()
  const containers = new Map<string, Container>()
  const images = new Map<string, RuntimeImage>()
  const calls: string[] = []
  let condition = { isRuntimeReady: true, isNetworkReady: true }
  let runCommand: (container: string, argv: readonly string[]) => ExecResult | Promise<ExecResult> = () => ({ exitCode: 0, output: '' })
  let serial = 0

  const refuse = (message: string) => new PodwireError('RUNTIME_FAILED', message)
  const unknown = (what: string) => new PodwireError('NOT_FOUND', `${what} is unknown`)
  const sandboxOf = (id: string): Sandbox => {
    const sandbox = sandboxes.get(id)
    if (!sandbox) throw unknown(`sandbox ${id}`)
    return sandbox
  }
  const containerOf = (id: string): Container => {
    const container = containers.get(id)
    if (!container) throw unknown(`container ${id}`)
    return container
  }
  const end = (container: Container, exitCode: number): void => {
    if (container.state === 'exited') return
    container.state = 'exited'
    container.exitCode = exitCode
    container.finishedAtMs = clock.now()
  }
  const endAll = (sandboxId: string): void => {
    for (const container of containers.values()) if (container.facts.sandboxId === sandboxId) end(container, 137)
  }
  const addImage = (name: string): void => {
    images.set(name, { id: `sha256:${name}`, names: [name], sizeBytes: 1000, user: 0 })
  }
  for (const name of imageNames) addImage(name)
  const factsOf = ({ facts, ...now }: Container): RuntimeContainer => ({
    ...facts,
    state: now.state,
    startedAtMs: now.startedAtMs,
    finishedAtMs: now.finishedAtMs,
    exitCode: now.exitCode,
  })

  return {
    calls,
    addImage,
    setCondition(next) {
      condition = next
    },
    exit(name, exitCode) {
      const running = [...containers.values()].find(({ spec, state }) => spec.name === name && state === 'running')
      if (!running) throw new Error(`no container ${name} runs`)
      end(running, exitCode)
    },
    breakSandbox(podName) {
      for (const [id, sandbox] of sandboxes) {
        if (sandbox.spec.pod.name !== podName) continue
        sandbox.isReady = false
        endAll(id)
      }
    },
    onExec(run) {
      runCommand = run
    },
    specOf: name => [...containers.values()].findLast(({ spec }) => spec.name === name)?.spec,

    version: async () => 'fake://1',
    condition: async () => ({ ...condition, message: condition.isNetworkReady ? '' : 'cni plugin not initialized' }),
    async list() {
      const pods = new Map([...sandboxes.values()].map(({ spec }) => [spec.pod.uid, spec.pod]))
      return [...pods.values()].map(pod => {
        const parts = [
          ...[...sandboxes].flatMap(([id, { spec, isReady }]) => (spec.pod.uid === pod.uid ? [`${id} ${isReady}`] : [])),
          ...[...containers].flatMap(([id, container]) => (container.pod.uid === pod.uid ? [`${id} ${container.state}`] : [])),
        ]
        return { ...pod, fingerprint: parts.join('\n') }
      })
    },
    async observe({ uid, namespace, name }) {
      const own = [...sandboxes.values()].filter(({ spec }) => spec.pod.uid === uid)
      return {
        uid,
        namespace,
        name,
        sandboxes: own.map(({ facts, isReady }) => ({ ...facts, isReady, ips: isReady ? facts.ips : [] })).reverse(),
        containers: [...containers.values()].flatMap(container => (container.pod.uid === uid ? [factsOf(container)] : [])).reverse(),
      }
    },
    async runSandbox(spec) {
      calls.push(`run sandbox ${spec.attempt}`)
      const isTaken = [...sandboxes.values()].some(({ spec: other }) => other.pod.uid === spec.pod.uid && other.attempt === spec.attempt)
      if (isTaken) throw refuse(`name of attempt ${spec.attempt} is reserved`)
      serial += 1
      const ips = spec.namespaces.network === 'node' ? [] : [`10.244.1.${serial + 1}`]
      const facts = { id: `s${serial}`, attempt: spec.attempt, isReady: true, createdAtMs: clock.now(), ips }
      sandboxes.set(facts.id, { spec, facts, isReady: true })
      return facts.id
    },
    async stopSandbox(id) {
      calls.push('stop sandbox')
      const sandbox = sandboxes.get(id)
      if (sandbox) sandbox.isReady = false
      endAll(id)
    },
    async removeSandbox(id) {
      calls.push('remove sandbox')
      for (const [key, { facts }] of containers) if (facts.sandboxId === id) containers.delete(key)
      sandboxes.delete(id)
    },
    async createContainer(sandboxId, spec, sandboxSpec) {
      calls.push(`create ${spec.name} ${spec.attempt}`)
      if (!sandboxOf(sandboxId).isReady) throw unknown(`task of sandbox ${sandboxId}`)
      const image = images.get(spec.image)
      if (!image) throw unknown(`image ${spec.image}`)
      const { pod } = sandboxSpec
      const isTaken = [...containers.values()].some(
        other => other.pod.uid === pod.uid && other.spec.name === spec.name && other.spec.attempt === spec.attempt,
      )
      if (isTaken) throw refuse(`name ${spec.name} ${spec.attempt} is reserved`)
      serial += 1
      const facts: RuntimeContainer = {
        id: `c${serial}`,
        sandboxId,
        name: spec.name,
        attempt: spec.attempt,
        image: spec.image,
        imageId: image.id,
        specHash: spec.hash,
        state: 'created',
        createdAtMs: clock.now(),
        startedAtMs: 0,
        finishedAtMs: 0,
        exitCode: 0,
        reason: '',
        message: '',
      }
      containers.set(facts.id, { pod, spec, facts, state: 'created', startedAtMs: 0, finishedAtMs: 0, exitCode: 0 })
      return facts.id
    },
    async startContainer(id) {
      const container = containerOf(id)
      calls.push(`start ${container.spec.name} ${container.spec.attempt}`)
      if (container.state !== 'created') throw refuse(`container is in ${container.state} state`)
      container.state = 'running'
      container.startedAtMs = clock.now()
    },
    async stopContainer(id, graceSeconds) {
      const container = containers.get(id)
      if (!container) return
      calls.push(`stop ${container.spec.name} ${container.spec.attempt} ${graceSeconds}`)
      end(container, graceSeconds === 0 ? 137 : 0)
    },
    async removeContainer(id) {
      const container = containers.get(id)
      if (!container) return
      calls.push(`remove ${container.spec.name} ${container.spec.attempt}`)
      containers.delete(id)
    },
    async exec(id, argv, _timeoutSeconds, signal) {
      const container = containerOf(id)
      if (container.state !== 'running') throw refuse(`container is in ${container.state} state`)
      const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
      return Promise.race([runCommand(container.spec.name, argv), aborted])
    },
    image: async name => images.get(name),
    images: async () => [...images.values()],
  }
}
