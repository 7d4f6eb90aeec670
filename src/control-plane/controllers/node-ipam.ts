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
  /** The range that all Pods' addresses come from. */
  readonly podCidr: Cidr
  /** The prefix length of each node's share. */
  readonly nodeMaskSize: number
  /** Shares that are fixed, by node name; nobody else gets them. */
  readonly reserved: Readonly<Record<string, Cidr>>
}

interface Parts extends ControllerParts {
  readonly nodes: Informer<Node>
  readonly ranges: NodeRanges
}

/** Gives each Node its share of the Pod range. */
export function nodeIpamController(parts: Parts): Controller {
  const { client, nodes, ranges, clock } = parts
  const recorder = createEventRecorder(client, { component: 'node-ipam-controller', ...(clock && { clock }) })
  /** What was given to Nodes whose objects our copy does not show with it yet, by UID. */
  const given = new Map<string, Cidr>()

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
      const taken = [...nodes.list().flatMap(({ spec }) => (spec?.podCIDR ? [parseCidr(spec.podCIDR)] : [])), ...given.values()]
      const range = freeRange(ranges, name, taken)
      if (range === undefined) {
        const message = `no range of ${ranges.podCidr} is free for node ${name}`
        recorder.record(node, { type: 'Warning', reason: 'CIDRNotAvailable', message })
        throw new PodwireError('ADDRESS_EXHAUSTED', message)
      }
      given.set(uid, range)
      try {
        await client.patch(
          nodeResource,
          { name },
          { metadata: { uid }, spec: { podCIDR: range, podCIDRs: [range] } },
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
