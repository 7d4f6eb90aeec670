import { pods, services } from '../../api/generated/resources.js'
import type { Pod, Service } from '../../api/generated/types.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { systemClock } from '../../base/time/clock.js'
import { type Capture, type InterfaceFrame, startCapture } from '../../kernel/capture.js'
import type { Host } from '../../kernel/host.js'
import { boundPod } from '../bind.js'
import type { BoundPod } from '../bound.js'
import { placeInPod, placesOfHost, sightingOf } from '../capture-run.js'
import type { FlowSession } from '../flow-session.js'
import type { Sighting } from '../trace.js'
import type { LiveWorld } from './live-flows.js'

/** What stands in a lab at one time. */
export interface LabSnapshot extends LiveWorld {
  readonly podObjects: readonly Pod[]
  readonly serviceObjects: readonly Service[]
}

export interface LabWatcher {
  /** Called for every frame at every interface of every host and Pod. */
  onSighting(sighting: Sighting, world: LabSnapshot): void
  onSnapshot(snapshot: LabSnapshot): void
}

/** All but the talk with the API server and the kubelets; of a tunnel what it carries counts. */
const filter = '(udp dst port 4789) or ((tcp or udp or icmp or icmp6) and not tcp port 6443 and not tcp port 10250)'
const refreshMs = 2_000

interface Running {
  readonly capture: Capture
  /** Frames of interfaces whose names are being read. */
  readonly unnamed: InterfaceFrame[]
}

/**
 * Captures in all namespaces of a lab until `signal` aborts; Pods that come are captured too. A capture that cannot start is tried again at the
 * next look. Errors: those of reading the lab; nothing runs afterwards.
 */
export async function watchLab(session: FlowSession, watcher: LabWatcher, signal: AbortSignal): Promise<void> {
  const running = new Map<string, Running>()
  let world: LabSnapshot | undefined

  const take = (owner: string, frame: InterfaceFrame, name: string): void => {
    if (world === undefined) return
    const pod = world.pods.get(owner)
    const host = world.facts.hosts.get(owner)
    const placeOf = pod !== undefined ? placeInPod(pod.key) : host !== undefined ? placesOfHost(host) : () => undefined
    watcher.onSighting(sightingOf({ owner, hostName: pod?.node ?? owner, placeOf }, frame, name), world)
  }
  const begin = async (owner: string, host: Host): Promise<void> => {
    const unnamed: InterfaceFrame[] = []
    const onFrame = (frame: InterfaceFrame): void => {
      const name = running.get(owner)?.capture.interfaceName(frame.ifindex)
      if (name === undefined) unnamed.push(frame)
      else take(owner, frame, name)
    }
    const capture = await startCapture({ ...host, name: owner }, { filter, snapLength: 256, maxFrames: Infinity, onFrame }, signal)
    running.set(owner, { capture, unnamed })
  }
  const nameFrames = async (owner: string, { capture, unnamed }: Running): Promise<void> => {
    if (unnamed.length === 0) return
    await capture.refreshInterfaces(signal)
    for (const frame of unnamed.splice(0)) take(owner, frame, capture.interfaceName(frame.ifindex) ?? `if${frame.ifindex}`)
  }
  const follow = async (): Promise<void> => {
    world = await snapshotOf(session, signal)
    const wanted = new Map<string, Host>([
      ...[...world.facts.hosts.values()].map(({ name, host }) => [name, host] as const),
      ...[...world.pods.values()].map(({ key, host }) => [key, host] as const),
    ])
    const gone = [...running].filter(([owner]) => !wanted.has(owner))
    for (const [owner] of gone) running.delete(owner)
    const fresh = [...wanted].filter(([owner]) => !running.has(owner))
    await Promise.allSettled([
      ...gone.map(([, { capture }]) => capture.stop()),
      ...fresh.map(([owner, host]) => begin(owner, host)),
      ...[...running].map(([owner, each]) => nameFrames(owner, each)),
    ])
    watcher.onSnapshot(world)
  }

  try {
    while (!signal.aborted) {
      await follow()
      await systemClock.sleep(refreshMs, signal)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await Promise.allSettled([...running.values()].map(({ capture }) => capture.stop()))
  }
}

async function snapshotOf(session: FlowSession, signal: AbortSignal): Promise<LabSnapshot> {
  session.forgetFacts()
  const { client } = session.lab
  const [facts, podList, serviceList] = await Promise.all([
    session.facts(),
    client.list(pods, {}, signal),
    client.list(services, {}, signal),
  ])
  const bound = new Map<string, BoundPod>()
  for (const pod of podList.items) {
    if (pod.spec?.hostNetwork === true || pod.status?.podIP === undefined) continue
    try {
      const found = boundPod(pod, facts)
      bound.set(found.key, found)
    } catch (error) {
      if (!isPodwireError(error, 'NOT_FOUND')) throw error
    }
  }
  const names = new Map<string, string>([
    ...[...bound.values()].map(({ ip, key }) => [ip, key] as const),
    ...[...facts.hosts.values()].map(({ address, name }) => [address, name] as const),
    ...serviceList.items.flatMap(({ metadata, spec }) =>
      (spec?.clusterIPs ?? [spec?.clusterIP ?? '']).map(ip => [ip, `svc ${metadata?.namespace}/${metadata?.name}`] as const),
    ),
  ])
  return {
    facts,
    pods: bound,
    nameOf: address => names.get(address),
    podObjects: podList.items,
    serviceObjects: serviceList.items,
  }
}
