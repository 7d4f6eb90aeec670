import { nodes as nodeResource } from '../../api/generated/resources.js'
import type { Node } from '../../api/generated/types.js'
import { PodwireError } from '../../base/errors/podwire-error.js'
import { type Cidr, cidrParts, cidrSize, cidrsOverlap, nthSubnet, parseCidr } from '../../base/net/address.js'
import { createEventRecorder } from '../../client/event-recorder.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

export interface NodeRanges {
  /** The range that all Pods' addresses of its family come from. */
  readonly podCidr: Cidr
  /** The prefix length of each node's share. */
  readonly nodeMaskSize: number
  /** Shares that are fixed, by node name; nobody else gets them. */
  readonly reserved: Readonly<Record<string, Cidr>>
}

interface Parts extends ControllerParts {
  readonly nodes: Informer<Node>
  /** One a family. */
  readonly ranges: readonly NodeRanges[]
}

/** Gives each Node its share of the Pod ranges, one a family. */
export function nodeIpamController(parts: Parts): Controller {
  const { client, nodes, ranges, clock } = parts
  const recorder = createEventRecorder(client, { component: 'node-ipam-controller', ...(clock && { clock }) })
  /** What was given to Nodes whose objects our copy does not show with it yet, by UID. */
  const given = new Map<string, readonly Cidr[]>()

  return keyedController({
    name: 'node-ipam',
    parts,
    workers: 1, // Two at once would find the same free range.
    reads: [nodes],
    watch(queue) {
      onObjectChange(nodes, (before, after) => {
        if (before && (!after || after.spec?.podCIDR)) given.delete(before.metadata?.uid ?? '')
        if (after && !after.spec?.podCIDR) queue.add(keyOfObject(after))
        // A range became free: Nodes that found none may try again.
        if (!after) for (const node of nodes.list()) if (!node.spec?.podCIDR) queue.add(keyOfObject(node))
      })
    },
    async reconcile(key, _queue, signal) {
      const node = nodes.get(key)
      const { uid = '', name = '', deletionTimestamp } = node?.metadata ?? {}
      if (!node || node.spec?.podCIDR || deletionTimestamp !== undefined || given.has(uid)) return
      const taken = [...nodes.list().flatMap(({ spec }) => rangesOf(spec).map(parseCidr)), ...[...given.values()].flat()]
      const shares = ranges.map(range => {
        const share = freeRange(range, name, taken)
        if (share !== undefined) return share
        const message = `no range of ${range.podCidr} is free for node ${name}`
        recorder.record(node, { type: 'Warning', reason: 'CIDRNotAvailable', message })
        throw new PodwireError('ADDRESS_EXHAUSTED', message)
      })
      given.set(uid, shares)
      try {
        await client.patch(
          nodeResource,
          { name },
          { metadata: { uid }, spec: { podCIDR: shares[0], podCIDRs: shares } },
          { type: 'merge' },
          signal,
        )
      } catch (error) {
        given.delete(uid)
        throw error
      }
    },
  })
}

const rangesOf = (spec: Node['spec']): readonly string[] => spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : [])

/** The node's reserved range, else the lowest that is neither taken nor reserved; undefined when there is none. */
export function freeRange({ podCidr, nodeMaskSize, reserved }: NodeRanges, name: string, taken: readonly Cidr[]): Cidr | undefined {
  const own = reserved[name]
  if (own !== undefined) return taken.some(other => cidrsOverlap(own, other)) ? undefined : own
  const unavailable = [...taken, ...Object.values(reserved)]
  const { prefix, family } = cidrParts(podCidr)
  const shares = Number(cidrSize(podCidr) >> BigInt((family === 4 ? 32 : 128) - nodeMaskSize))
  if (nodeMaskSize < prefix) return undefined
  for (let n = 0; n < shares; n++) {
    const range = nthSubnet(podCidr, nodeMaskSize, n)
    if (!unavailable.some(other => cidrsOverlap(range, other))) return range
  }
  return undefined
}
