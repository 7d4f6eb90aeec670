import { PodwireError } from '../base/errors/podwire-error.js'
import type { Place, Port } from '../base/net/path.js'
import { nodeOfBound } from './bind.js'
import type { Bindings, Bound } from './bound.js'
import type { PlacePattern } from './expectation.js'
import type { HostFacts, InterfaceFacts, LabFacts } from './lab-facts.js'

/** What the words of a flow file mean in this lab. */
export interface RoleContext {
  readonly bindings: Bindings
  readonly facts: LabFacts
  /** Alias of the sender and the port it sent from. */
  readonly sender?: { readonly alias: string; readonly sourcePort: number | undefined }
}

type Attributes = Readonly<Record<string, string | number | undefined>>

/**
 * The value of `$client.ip`, `$svc.targetPort`, `$server.node.vxlan.mac`; other text and numbers stand for themselves.
 * Errors: CONFIG_INVALID when the alias has no such attribute, with those it has.
 */
export function resolveValue(value: string | number, context: RoleContext): string | number {
  if (typeof value === 'number' || !value.startsWith('$')) return value
  const [alias = '', ...path] = value.slice(1).split('.')
  const bound = boundAs(alias, context)
  const attributes = path.length === 0 ? { '': addressOf(bound) } : attributesOf(alias, bound, context)
  const found = attributes[path.join('.')]
  if (found !== undefined) return found
  const known = Object.entries(attributes).flatMap(([name, each]) => (each === undefined ? [] : [`$${alias}.${name}`]))
  throw new PodwireError('CONFIG_INVALID', `${value}: $${alias} is a ${bound.kind} and has no ${path.join('.')}`, {
    hint: `It has ${known.join(', ')}.`,
  })
}

export function boundAs(alias: string, { bindings }: RoleContext): Bound {
  const bound = bindings.get(alias)
  if (bound === undefined) throw new PodwireError('NOT_FOUND', `$${alias} is not bound: no endpoint took the connection`)
  return bound
}

/** The words for a value of this lab: `$client.ip`, `$svc.port`, `$server.node.vxlan.mac`; the value itself where nothing bound has it. */
export function wordsFor(value: string | number, context: RoleContext): string | number {
  const named = [...context.bindings].flatMap(([alias, bound]) =>
    Object.entries(attributesOf(alias, bound, context)).map(([name, each]) => ({ words: `$${alias}.${name}`, value: each })),
  )
  const found = named.filter(each => each.value === value && !each.words.endsWith('.name'))
  return found.toSorted((a, b) => a.words.split('.').length - b.words.split('.').length)[0]?.words ?? value
}

const addressOf = (bound: Bound): string | undefined => bound.ip

function attributesOf(alias: string, bound: Bound, { facts, sender }: RoleContext): Attributes {
  const port = sender?.alias === alias ? sender.sourcePort : undefined
  switch (bound.kind) {
    case 'pod':
      return { ip: bound.ip, mac: bound.mac, name: bound.key, port, ...prefixed('node', hostAttributes(facts.hosts.get(bound.node))) }
    case 'service':
      return { ip: bound.ip, port: bound.port, nodePort: bound.nodePort, targetPort: bound.endpoints[0]?.port, name: bound.key }
    case 'host': {
      const host = hostAttributes(facts.hosts.get(bound.key))
      return { ...host, port, ...prefixed('node', host) }
    }
  }
}

const hostAttributes = (host: HostFacts | undefined): Attributes =>
  host === undefined
    ? {}
    : {
        ip: host.address,
        name: host.name,
        ...prefixed('uplink', interfaceAttributes(host.uplink)),
        ...prefixed('bridge', interfaceAttributes(host.bridge)),
        ...prefixed('vxlan', interfaceAttributes(host.vxlan)),
      }

const interfaceAttributes = (each: InterfaceFacts | undefined): Attributes =>
  each === undefined ? {} : { mac: each.mac, ip: each.addresses[0], vni: each.vni, mtu: each.mtu }

const prefixed = (prefix: string, attributes: Attributes): Attributes =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`${prefix}.${name}`, value]))

/** The places that `client:eth0`, `server.node:vxlan`, `veth(client)`, `*:uplink`, `*` stand for. */
export function resolvePlace(at: string, context: RoleContext): PlacePattern {
  if (at === '*') return { owner: '*', port: '*' }
  const veth = /^(?:[^:]+:)?veth\(([^)]+)\)$/.exec(at)
  if (veth) {
    const bound = boundAs(veth[1]!, context)
    if (bound.kind !== 'pod') throw new PodwireError('CONFIG_INVALID', `${at}: $${veth[1]} is a ${bound.kind}; only Pods have a veth`)
    return { owner: bound.node, port: 'veth', pod: bound.key }
  }
  const [role = '', port = ''] = at.split(':')
  return { owner: role === '*' ? '*' : ownerOf(role, context), port: port as Port | '*' }
}

function ownerOf(role: string, context: RoleContext): string {
  const [alias = '', part] = role.split('.')
  const bound = boundAs(alias, context)
  if (part === undefined) {
    if (bound.kind === 'service') throw new PodwireError('CONFIG_INVALID', `${role}: a Service has no interfaces; name the Pod or the node`)
    return bound.key
  }
  const node = nodeOfBound(bound)
  if (node === undefined) throw new PodwireError('CONFIG_INVALID', `${role}: $${alias} lives on no node`)
  return node
}

/** A place in the words of the flow: the first alias that fits, as `client:eth0`, `client.node:bridge`, `veth(client)`. */
export function roleOf(place: Place, { bindings }: RoleContext): string {
  const aliases = [...bindings].filter(([, bound]) => bound.kind !== 'service')
  if (place.port === 'veth') return `veth(${aliases.find(([, bound]) => bound.key === place.pod)?.[0] ?? place.pod})`
  if (place.ownerKind === 'pod') return `${aliases.find(([, bound]) => bound.key === place.owner)?.[0] ?? place.owner}:${place.port}`
  const itself = aliases.find(([, bound]) => bound.kind === 'host' && bound.key === place.owner)?.[0]
  const tenant = aliases.find(([, bound]) => nodeOfBound(bound) === place.owner)?.[0]
  return `${itself ?? (tenant === undefined ? place.owner : `${tenant}.node`)}:${place.port}`
}
