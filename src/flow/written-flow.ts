import { Document, isMap, isSeq, visit } from 'yaml'

import type { Change, Headers } from '../base/net/path.js'
import type { ExpectedConntrack, ExpectedHop, ExpectedPath, ForbiddenHop } from './expectation.js'
import { changesBetween } from './match-path.js'
import type { FlowDocument } from './parse-flow-file.js'
import { predict } from './predict.js'
import { type RoleContext, roleOf, wordsFor } from './roles.js'
import { type FlowParts, flowOf, type JudgedFlow } from './run-one-flow.js'
import { planSend } from './send.js'
import type { Sighting } from './trace.js'

/** Flows as their files write them: every hop in roles, so that they hold in another lab too. */

const changed = (must: readonly Change[], may: readonly Change[]): readonly string[] => [...must, ...may.map(change => `${change}?`)]

/** The headers in words; a MAC address is what `changed` tells of already. */
function seen(packet: object, context: RoleContext): Readonly<Record<string, unknown>> {
  const { outer, ethSrc: _, ethDst: __, ...headers } = packet as Headers
  const inWords = (fields: object): Readonly<Record<string, unknown>> =>
    Object.fromEntries(
      Object.entries(fields).map(([key, value]) => [key, ['proto', 'flags', 'ttl'].includes(key) ? value : wordsFor(value, context)]),
    )
  return { ...inWords(headers), ...(outer !== undefined && { outer: inWords(outer) }) }
}

const expectedHop = (hop: ExpectedHop, context: RoleContext) => ({
  at: hop.at,
  ...(hop.dir !== undefined && { dir: hop.dir }),
  see: seen(hop.see, context),
  ...(hop.changed !== undefined && { changed: changed(hop.changed.must, hop.changed.may) }),
})

/** `expect` of a flow whose preset is written out for this lab. The endpoint of a Service is the first that may take it. */
export function writtenExpectation(parts: FlowParts): string {
  const { document, bound, facts, candidates } = parts
  const { expect, send } = document.test.spec
  const planned = planSend(send, { bindings: bound.bindings, facts })
  const server = planned.server ?? candidates.find(({ ip }) => planned.service?.endpoints.some(endpoint => endpoint.ip === ip))
  const late = [...bound.late.keys()].flatMap(alias => (server === undefined ? [] : [[alias, server] as const]))
  const context: RoleContext = { bindings: new Map([...bound.bindings, ...late]), facts }
  const { legs, never, conntrack } = predict(flowOf({ planned, sourcePort: undefined }, server), context, {
    name: planned.leg,
    exchange: 0,
  })
  const [leg] = legs
  const hops = (path: ExpectedPath | undefined) =>
    path?.filter(hop => !isOptional(hop)).map(hop => (hop === '...' ? hop : expectedHop(hop, context)))
  return asText({
    expect: {
      outcome: expect.outcome,
      path: hops(leg?.path),
      reply: hops(leg?.reply),
      strict: leg?.isStrict ?? false,
      never: never.map(each => forbiddenHop(each, context)),
      conntrack: conntrack.map(each => trackedEntry(each, context)),
    },
  })
}

/** A hop that the kernel makes in some states only cannot be written; a file that is strict would forbid it. */
const isOptional = (hop: ExpectedHop | '...'): boolean => hop !== '...' && hop.isOptional

const forbiddenHop = ({ at, dir, see, why }: ForbiddenHop, context: RoleContext) => ({
  at,
  ...(dir !== undefined && { dir }),
  see: seen(see, context),
  why,
})

const trackedEntry = ({ on, orig, reply, state, nat }: ExpectedConntrack, context: RoleContext) => ({
  on: nodeWords(on, context),
  orig: seen(orig, context),
  reply: seen(reply, context),
  ...(state !== undefined && { state }),
  ...(nat !== undefined && { nat }),
})

/** `$client.node` for the node on which it is. */
const nodeWords = (node: string, context: RoleContext): string =>
  `$${roleOf({ owner: node, ownerKind: 'host', port: 'uplink' }, context).replace(/:uplink$/, '')}`

/** A flow file that expects what was seen to happen. */
export function recordedFlow(document: FlowDocument, { traces, context }: JudgedFlow, name: string): string {
  const { bind, send } = document.test.spec
  const [trace] = traces
  const { timeout: _, times: __, ...asked } = send
  return asText({
    apiVersion: 'podwire.dev/v1alpha1',
    kind: 'FlowTest',
    metadata: { name },
    spec: {
      bind,
      send: asked,
      expect: { outcome: 'delivered', path: seenHops(trace?.attempts[0] ?? [], context), reply: seenHops(trace?.reply ?? [], context) },
    },
  })
}

/** The first hop by its headers, the others by what changed. Interfaces that have no role cannot be named. */
function seenHops(sightings: readonly Sighting[], context: RoleContext) {
  let before: Headers | undefined
  return sightings.flatMap(({ place, dir, headers }) => {
    if (place === undefined) return []
    const previous = before
    before = headers
    const at = roleOf(place, context)
    return [
      previous === undefined ? { at, dir, see: seen(headers, context) } : { at, dir, changed: [...changesBetween(previous, headers)] },
    ]
  })
}

/** As people write it: a hop, a binding, what is sent, on a line of its own. */
function asText(value: object): string {
  const doc = new Document(value)
  visit(doc, {
    Pair(_, { key, value }) {
      const name = String(key)
      if (isSeq(value)) for (const item of value.items) if (isMap(item)) item.flow = true
      if (name === 'bind' && isMap(value)) for (const { value: binding } of value.items) if (isMap(binding)) binding.flow = true
      if (name === 'send' && isMap(value)) value.flow = true
    },
  })
  return doc.toString({ lineWidth: 0 })
}
