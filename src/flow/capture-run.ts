import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'

import { decodePacket } from '../base/net/decode-packet.js'
import { linkTypes } from '../base/net/packet.js'
import type { Place } from '../base/net/path.js'
import { PcapngWriter } from '../base/net/pcapng.js'
import { type Capture, type InterfaceFrame, startCapture } from '../kernel/capture.js'
import type { Host } from '../kernel/host.js'
import type { BoundPod } from './bound.js'
import type { HostFacts } from './lab-facts.js'
import type { Prober } from './prober.js'
import { headersOf, inOrder, type Sighting } from './trace.js'

/** A network namespace to watch. */
export interface WatchedNamespace {
  /** `node-1`, or the Pod's `namespace/name`. */
  readonly owner: string
  /** The host on which it is. */
  readonly hostName: string
  readonly host: Host
  readonly prober: Prober
  /** What an interface of it is in the vocabulary of paths. */
  placeOf(interfaceName: string): Place | undefined
}

/** Captures in all namespaces that a run looks at. */
export interface CaptureRun {
  /**
   * What all captures saw while `work` ran: each is proven alive before and after, so nothing that happened meanwhile is missing.
   * The frames are written to the pcapng with `comment`. Errors: CAPTURE_FAILED.
   */
  watch<T>(
    comment: string,
    work: () => Promise<T>,
    signal: AbortSignal,
  ): Promise<{ readonly result: T; readonly sightings: readonly Sighting[] }>
  /** Ends all captures. Resolves with the packets that the kernel says were lost. */
  stop(): Promise<{ readonly packetsLost: number }>
}

export function watchedHost(facts: HostFacts, prober: Prober): WatchedNamespace {
  const { name, host } = facts
  return { owner: name, hostName: name, host, prober, placeOf: placesOfHost(facts) }
}

/** What the interfaces of a host are in the vocabulary of paths. */
export function placesOfHost({ name, uplinks, bridge, vxlan, attachments }: HostFacts): WatchedNamespace['placeOf'] {
  const onHost = (port: Place['port'], pod?: string): Place => ({ owner: name, ownerKind: 'host', port, ...(pod !== undefined && { pod }) })
  const places = new Map<string | undefined, Place>([
    ...attachments.map(({ hostVeth, podNamespace, podName }) => [hostVeth, onHost('veth', `${podNamespace}/${podName}`)] as const),
    ['lo', onHost('lo')],
    ...uplinks.map(({ name: uplink }) => [uplink, onHost('uplink')] as const),
    [bridge?.name, onHost('bridge')],
    [vxlan?.name, onHost('vxlan')],
  ])
  return interfaceName => places.get(interfaceName)
}

export function watchedPod({ key, node, host }: BoundPod, prober: Prober): WatchedNamespace {
  return { owner: key, hostName: node, host, prober, placeOf: placeInPod(key) }
}

/** The same of a Pod, `namespace/name`. */
export const placeInPod =
  (key: string): WatchedNamespace['placeOf'] =>
  name =>
    name === 'eth0' || name === 'lo' ? { owner: key, ownerKind: 'pod', port: name } : undefined

/**
 * The kernel's filter: packets from or to one of these addresses, and everything in a tunnel. Traffic with the API server is left out.
 * Loopback addresses are looked at everywhere: only the namespaces of Pods have flows on them.
 */
export function captureFilter(addresses: readonly string[]): string {
  const hosts = [...new Set([...addresses, '127.0.0.1', '::1'])].map(ip => `host ${ip}`)
  return `(udp dst port 4789) or ((${hosts.join(' or ')}) and not tcp port 6443 and not tcp port 10250)`
}

interface Watched {
  readonly namespace: WatchedNamespace
  readonly capture: Capture
  /** Frames since the last watch began. */
  readonly frames: InterfaceFrame[]
  /** Interface name → its number in the pcapng. */
  readonly interfaces: Map<string, number>
}

/** Starts the captures; resolves when all of them have been proven alive. Errors: CAPTURE_FAILED; none is left running then. */
export async function startCaptureRun(
  {
    namespaces,
    filter,
    pcapngFile,
  }: { readonly namespaces: readonly WatchedNamespace[]; readonly filter: string; readonly pcapngFile: string },
  signal: AbortSignal,
): Promise<CaptureRun> {
  const started = await Promise.allSettled(namespaces.map(namespace => startWatched(namespace, filter, signal)))
  const watched = started.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = started.find(result => result.status === 'rejected')
  const stopAll = () => Promise.all(watched.map(({ capture }) => capture.stop()))
  const prove = (signal: AbortSignal) =>
    Promise.all(
      watched.map(({ capture, namespace }) =>
        capture.prove(payload => namespace.prober.perform({ do: 'mark', payload }, signal).then(() => {}), signal),
      ),
    )
  try {
    if (failed !== undefined) throw failed.reason
    await prove(signal)
  } catch (error) {
    await stopAll()
    throw error
  }
  const file: WriteStream = createWriteStream(pcapngFile)
  const pcapng = new PcapngWriter({ application: 'podwire' }, block => file.write(block))

  return {
    async watch(comment, work, signal) {
      for (const { frames } of watched) frames.length = 0
      const result = await work()
      await prove(signal)
      await Promise.all(
        watched
          .filter(({ capture, frames }) => frames.some(({ ifindex }) => capture.interfaceName(ifindex) === undefined))
          .map(({ capture }) => capture.refreshInterfaces(signal)),
      )
      const pending = watched.flatMap(each => each.frames.map(frame => ({ each, frame })))
      const sightings = inOrder(pending.map(toSighting)).map(sighting => ({ ...sighting, frame: record(sighting, comment) }))
      return { result, sightings: sightings.map(({ source: _, ...sighting }) => sighting) }
    },
    async stop() {
      const summaries = await stopAll()
      file.end()
      await finished(file)
      return { packetsLost: summaries.reduce((sum, { lost }) => sum + lost, 0) }
    },
  }

  function record({ source: { each, frame }, owner, interface: name, dir }: ReturnType<typeof toSighting>, comment: string): number {
    let interfaceId = each.interfaces.get(name)
    if (interfaceId === undefined) {
      interfaceId = pcapng.addInterface({ name: `${owner}/${name}`, linkType: linkTypes.sll2 })
      each.interfaces.set(name, interfaceId)
    }
    const { timeNs, bytes, originalLength } = frame
    return pcapng.addFrame({ interfaceId, timeNs, bytes, originalLength, direction: dir, comment })
  }
}

async function startWatched(namespace: WatchedNamespace, filter: string, signal: AbortSignal): Promise<Watched> {
  const frames: InterfaceFrame[] = []
  const host = { ...namespace.host, name: namespace.owner }
  const capture = await startCapture(host, { filter, onFrame: frame => frames.push(frame) }, signal)
  return { namespace, capture, frames, interfaces: new Map() }
}

function toSighting({ each, frame }: { readonly each: Watched; readonly frame: InterfaceFrame }) {
  const name = each.capture.interfaceName(frame.ifindex) ?? `if${frame.ifindex}`
  return { ...sightingOf(each.namespace, frame, name), source: { each, frame } }
}

/** A frame at one interface of a namespace, decoded. Its number in a pcapng is not known yet. */
export function sightingOf(
  { owner, hostName, placeOf }: Pick<WatchedNamespace, 'owner' | 'hostName' | 'placeOf'>,
  { bytes, direction, timeNs, sequence }: InterfaceFrame,
  interfaceName: string,
): Sighting {
  const packet = decodePacket(bytes, linkTypes.sll2)
  return {
    place: placeOf(interfaceName),
    owner,
    host: hostName,
    interface: interfaceName,
    dir: direction,
    timeNs,
    sequence,
    frame: 0,
    subject: packet.vxlan?.inner ?? packet,
    headers: headersOf(packet),
  }
}
