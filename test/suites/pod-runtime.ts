import type { Test } from 'tap'

import { buildContainerSpec } from '../../src/node/kubelet/container-spec.js'
import type { KubeletConfig } from '../../src/node/kubelet/kubelet-config.js'
import type { PodRuntime, RuntimePod } from '../../src/node/kubelet/pod-runtime.js'
import { buildSandboxSpec } from '../../src/node/kubelet/sandbox-spec.js'
import { until } from '../support/until.js'

/** What every container runtime must do for the kubelet. The Pod is on the node's network, so that no CNI plugin is needed. */
export async function podRuntimeSuite(
  t: Test,
  { runtime, config, image }: { readonly runtime: PodRuntime; readonly config: KubeletConfig; readonly image: string },
): Promise<void> {
  const signal = AbortSignal.timeout(60_000)
  const container = { name: 'main', image, command: ['sleep', '1000'] }
  const pod = {
    metadata: { name: 'suite', namespace: 'default', uid: '5f0c7e5e-7a35-4d2c-9a54-0c1f9a3f7a11' },
    spec: { hostNetwork: true, containers: [container] },
  }
  const identity = pod.metadata
  const observe = (): Promise<RuntimePod> => runtime.observe(identity, signal)
  const specOf = (attempt: number, name: string, found: NonNullable<Awaited<ReturnType<PodRuntime['image']>>>) =>
    buildContainerSpec({ pod, container: { ...container, name }, attempt, env: new Map(), mounts: [], image: found, memoryCapacity: 1e9 })
  const sandboxSpec = buildSandboxSpec({ pod, attempt: 0, config, dns: { servers: [], searches: [], options: [] } })

  t.equal(await runtime.image('example/nothing:v1', signal), undefined, 'an image that is not there')
  const found = await runtime.image(image, signal)
  t.ok(found, 'an image that is there')
  if (!found) return
  t.same(await observe(), { ...identity, sandboxes: [], containers: [] }, 'nothing of the Pod yet')

  const sandboxId = await runtime.runSandbox(sandboxSpec, signal)
  t.match((await observe()).sandboxes, [{ id: sandboxId, attempt: 0, isReady: true, ips: [] }])
  await t.rejects(runtime.runSandbox(sandboxSpec, signal), { code: 'RUNTIME_FAILED' }, 'the same sandbox twice')

  const spec = specOf(0, 'main', found)
  const id = await runtime.createContainer(sandboxId, spec, sandboxSpec, signal)
  t.match((await observe()).containers, [{ id, sandboxId, name: 'main', attempt: 0, state: 'created', specHash: spec.hash }])
  await t.rejects(runtime.createContainer(sandboxId, spec, sandboxSpec, signal), { code: 'RUNTIME_FAILED' }, 'the same container twice')
  await t.rejects(runtime.exec(id, ['true'], 5, signal), { code: 'RUNTIME_FAILED' }, 'a command before the start')

  const [created] = await runtime.list(signal)
  await runtime.startContainer(id, signal)
  await until('running', async () => (await observe()).containers[0]?.state === 'running')
  t.not((await runtime.list(signal))[0]?.fingerprint, created?.fingerprint, 'a change shows in the listing')
  t.same(await runtime.exec(id, ['true'], 5, signal), { exitCode: 0, output: '' })
  await t.rejects(runtime.startContainer(id, signal), { code: 'RUNTIME_FAILED' }, 'a second start')

  await runtime.stopContainer(id, 0, signal)
  t.match((await observe()).containers, [{ id, state: 'exited', exitCode: 137 }])
  await runtime.stopContainer(id, 0, signal)
  const next = await runtime.createContainer(sandboxId, specOf(1, 'main', found), sandboxSpec, signal)
  t.match(
    (await observe()).containers,
    [
      { id: next, attempt: 1 },
      { id, attempt: 0 },
    ],
    'the newest first',
  )
  await runtime.removeContainer(id, signal)
  await runtime.removeContainer(id, signal)

  await runtime.startContainer(next, signal)
  await runtime.stopSandbox(sandboxId, signal)
  await runtime.stopSandbox(sandboxId, signal)
  t.match(await observe(), { sandboxes: [{ isReady: false }], containers: [{ id: next, state: 'exited' }] })
  await t.rejects(
    runtime.createContainer(sandboxId, specOf(0, 'other', found), sandboxSpec, signal),
    { code: 'NOT_FOUND' },
    'no task to join',
  )
  await runtime.removeSandbox(sandboxId, signal)
  await runtime.removeSandbox(sandboxId, signal)
  t.same(await observe(), { ...identity, sandboxes: [], containers: [] }, 'nothing is left of it')
}
