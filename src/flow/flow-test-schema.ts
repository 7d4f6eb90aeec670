import { z } from 'zod'

/** `$client`, `$client.node`: an alias of `bind`, or the node it lives on. */
const Ref = z
  .string()
  .regex(/^\$[a-z][a-z0-9-]*(\.node)?$/i, 'write an alias of `bind` with a dollar sign, as $client, or $client.node for its node')
export const AliasName = z.string().regex(/^[a-z][a-z0-9-]*$/i, 'use letters, digits and "-"')
const NamespacedName = z.string().regex(/^[^/\s]+\/[^/\s]+$/, 'write namespace/name')
const Port = z.int().min(1).max(65535)
const Duration = z.string().regex(/^\d+(\.\d+)?(ms|s)$/, 'write a time such as 500ms or 2s')

/** A value of a packet: itself, or an attribute of something bound: `$client.ip`, `$svc.targetPort`, `$server.node.vxlan.mac`. */
const Value = z.union([z.int(), z.string()])

const Placed = z.strictObject({
  sameNodeAs: Ref.optional(),
  otherNodeThan: Ref.optional(),
  /** Not this one: the first Pod that is another. */
  without: Ref.optional(),
})

/** What an alias stands for; exactly one of the first five. */
export const Binding = z
  .strictObject({
    pod: NamespacedName.optional(),
    service: NamespacedName.optional(),
    /** A node by name, or one that does not run something. */
    node: z.union([z.string(), z.strictObject({ without: Ref })]).optional(),
    /** A host on the underlay that is no part of the cluster. */
    external: z.string().optional(),
    /** The first ready Pod with these labels. */
    select: z.string().optional(),
    /** The Pod that took the connection to this Service; known once it has been sent. */
    endpointOf: Ref.optional(),
    /** Of `service`: the name or number of the port. */
    port: z.union([z.string(), Port]).optional(),
    /** Of `select`: where to look; `default` when absent. */
    namespace: z.string().optional(),
    /** Of `select`: on which node it must be. */
    placed: Placed.optional(),
  })
  .superRefine((binding, ctx) => {
    const kinds = ['pod', 'service', 'node', 'external', 'select', 'endpointOf'] as const
    const given = kinds.filter(kind => binding[kind] !== undefined)
    if (given.length !== 1) {
      ctx.addIssue({
        code: 'custom',
        message: `bind an alias to exactly one of ${kinds.join(', ')}${given.length ? `, not ${given.join(' and ')}` : ''}`,
      })
    }
    const only = { port: 'service', namespace: 'select', placed: 'select' } as const
    for (const [key, kind] of Object.entries(only) as [keyof typeof only, (typeof only)[keyof typeof only]][]) {
      if (binding[key] !== undefined && binding[kind] === undefined) {
        ctx.addIssue({ code: 'custom', path: [key], message: `belongs to a binding with \`${kind}\`` })
      }
    }
  })
export type Binding = z.infer<typeof Binding>

const Http = z.strictObject({
  port: Port.optional(),
  path: z.string().startsWith('/').default('/'),
  /** The Host header; the address that is asked when absent. */
  host: z.string().optional(),
})

const protocols = ['tcp', 'udp', 'icmp', 'http', 'dns'] as const

/** Exactly one protocol. Ports may be left out when `to` is a Service. */
const Send = z
  .strictObject({
    from: Ref,
    /** An alias, or `localhost` for the sender itself over its loopback interface. */
    to: z.union([Ref, z.literal('localhost')]),
    tcp: z.strictObject({ port: Port.optional(), payload: z.string().optional() }).optional(),
    udp: z.strictObject({ port: Port.optional() }).optional(),
    icmp: z
      .strictObject({
        /**
         * Bytes after the ICMP header; `mtu` makes the packet the largest that the sender's interface takes, `path-mtu` the largest that comes through
         * to the receiver. Neither may be cut on its way.
         */
        size: z.union([z.int().min(8).max(1400), z.enum(['mtu', 'path-mtu'])]).default(56),
      })
      .optional(),
    http: Http.optional(),
    dns: z
      .strictObject({
        port: Port.optional(),
        name: z.string(),
        type: z.enum(['A', 'AAAA', 'SRV']).default('A'),
        /** What to do with the first address of the answer; the leg `use` of the flow. */
        // biome-ignore lint/suspicious/noThenProperty: a key of the file format, read by zod only
        then: z.strictObject({ http: Http.required({ port: true }).optional(), tcp: z.strictObject({ port: Port }).optional() }).optional(),
      })
      .optional(),
    /** How often; each must end the same. */
    times: z.int().min(1).max(1000).default(1),
    timeout: Duration.default('2s'),
  })
  .superRefine((send, ctx) => {
    const given = protocols.filter(protocol => send[protocol] !== undefined)
    if (given.length !== 1) {
      ctx.addIssue({
        code: 'custom',
        message: `send exactly one of ${protocols.join(', ')}${given.length ? `, not ${given.join(' and ')}` : ''}`,
      })
    }
  })
export type Send = z.infer<typeof Send>

const Outer = z.strictObject({
  proto: z.literal('udp').optional(),
  src: Value.optional(),
  dst: Value.optional(),
  dport: Value.optional(),
  vni: Value.optional(),
  ttl: Value.optional(),
})

/** Headers a packet must have. Without `outer` it speaks of the packet itself, whatever it travels in. */
const See = z.strictObject({
  src: Value.optional(),
  dst: Value.optional(),
  sport: Value.optional(),
  dport: Value.optional(),
  proto: z.enum(['tcp', 'udp', 'icmp', 'icmpv6']).optional(),
  /** TCP flags as `SYN`, `SYN-ACK`, `RST-ACK`. */
  flags: z.string().optional(),
  ttl: Value.optional(),
  ethSrc: Value.optional(),
  ethDst: Value.optional(),
  outer: Outer.optional(),
})
export type See = z.infer<typeof See>

/** `client:eth0`, `client.node:bridge`, `veth(client)`, `*:uplink`, `*`. */
const At = z
  .string()
  .regex(
    /^(\*|(\*|[a-z][a-z0-9-]*(\.node)?):(eth0|lo|bridge|vxlan|uplink|veth|\*)|([a-z][a-z0-9-]*\.node:)?veth\([a-z][a-z0-9-]*\))$/i,
    'write a place such as client:eth0, client.node:bridge, veth(client), *:uplink or *; the interfaces are eth0, lo, bridge, vxlan, uplink, veth',
  )
const Dir = z.enum(['in', 'out'])
const changes = ['src', 'dst', 'sport', 'dport', 'ttl', 'mac', 'encap', 'decap'] as const
/** A header that differs from the hop named before; with `?` it may. */
const Change = z.enum([...changes, ...changes.map(change => `${change}?` as const)])

const Hop = z.strictObject({
  at: At,
  dir: Dir.optional(),
  see: See.optional(),
  /** When given: what is not listed equals the hop named before. */
  changed: z.array(Change).optional(),
  /** Becomes part of the failure's text. */
  why: z.string().optional(),
})
export type HopExpectation = z.infer<typeof Hop>

/** `"..."`: any places. Without it only the veth and bridge ends between two named hops may be left out. */
const Path = z.array(z.union([Hop, z.literal('...')])).min(1)
export type PathExpectation = z.infer<typeof Path>

const Tuple = z.strictObject({ src: Value.optional(), dst: Value.optional(), sport: Value.optional(), dport: Value.optional() })
const Conntrack = z.strictObject({
  on: Ref,
  orig: Tuple.optional(),
  reply: Tuple.optional(),
  /** `ASSURED`, or a state of TCP as `ESTABLISHED`. */
  state: z.string().optional(),
  nat: z.array(z.enum(['snat', 'dnat'])).optional(),
})
export type ConntrackExpectation = z.infer<typeof Conntrack>

/** Without `outer` in `see` it forbids the packet on the wire as it is, not inside a tunnel. */
const Never = z.strictObject({ at: At, dir: Dir.optional(), see: See.optional(), why: z.string() })
export type NeverExpectation = z.infer<typeof Never>

const Outcome = z.union([
  z.enum(['delivered', 'refused', 'timeout']),
  z.strictObject({ dropped: z.strictObject({ on: Ref.optional(), by: z.string().optional(), policy: z.string().optional() }) }),
  z.strictObject({
    rejected: z.strictObject({
      with: z.enum([
        'icmp-port-unreachable',
        'icmp-net-unreachable',
        'icmp-host-unreachable',
        'icmp-admin-prohibited',
        'icmp-fragmentation-needed',
        'tcp-reset',
      ]),
      /** Of `icmp-fragmentation-needed`: the packet size that the answer says would fit. */
      mtu: Value.optional(),
    }),
  }),
])
export type OutcomeExpectation = z.infer<typeof Outcome>

export const presets = [
  'same-pod',
  'pod-same-node',
  'pod-cross-node',
  'pod-to-pod',
  'clusterip',
  'hairpin',
  'service',
  'nodeport',
  'dns',
  'rejected',
] as const
const Preset = z.enum(presets)
export type Preset = z.infer<typeof Preset>

const Response = z.strictObject({
  /** Of HTTP. */
  status: z.int().optional(),
  /** The Pod that answered. */
  from: Ref.optional(),
  /** The address the server saw its client at. */
  client: Value.optional(),
  /** The addresses a name resolved to, in any order; a Pod or Service stands for its address. */
  answers: z.array(Value).optional(),
  /** DNS: `NOERROR`, `NXDOMAIN`. */
  rcode: z.string().optional(),
})
export type ResponseExpectation = z.infer<typeof Response>

const Leg = z.strictObject({ name: z.string(), path: Path.optional(), reply: Path.optional() })

const Expect = z.strictObject({
  outcome: Outcome,
  response: Response.optional(),
  /** The whole way there and back, derived from the lab's facts and the cluster's objects. */
  preset: Preset.optional(),
  path: Path.optional(),
  reply: Path.optional(),
  /** One for each connection of the flow, in order. */
  legs: z.array(Leg).optional(),
  /** True: no captured place that is not named may see the packet. */
  strict: z.boolean().default(false),
  never: z.array(Never).default([]),
  conntrack: z.array(Conntrack).default([]),
  /** Over all `times`: how many different endpoints took the connection. */
  across: z.strictObject({ backends: z.int().min(1), key: z.literal('server.ip').default('server.ip') }).optional(),
})
export type Expect = z.infer<typeof Expect>

/** The spec without what only whole files must fulfil: flows that a program makes know their aliases, and need no control of their own. */
export const FlowSpec = z.strictObject({
  /** For people: what it shows. */
  description: z.string().optional(),
  /** What the lab must be like; otherwise the test is skipped, with the reason. */
  requires: z
    .strictObject({
      nodes: z.int().min(1).optional(),
      cni: z.array(z.string()).optional(),
      proxy: z.array(z.string()).optional(),
      policy: z.boolean().optional(),
      /** Of the underlay. */
      segments: z.int().min(1).optional(),
    })
    .optional(),
  /** The family of every address of the flow: what aliases stand for, and what it is sent by. */
  family: z.enum(['IPv4', 'IPv6']).default('IPv4'),
  /** Manifests to apply and wait for, relative to the file. */
  given: z.array(z.string()).default([]),
  bind: z.record(AliasName, Binding),
  send: Send,
  /** Something that must get through (or end as it says) first, so that a failure to arrive means something. */
  control: z.strictObject({ send: Send, outcome: Outcome }).optional(),
  expect: Expect,
})

const Spec = FlowSpec.superRefine((spec, ctx) => {
  if (spec.expect.outcome !== 'delivered' && spec.control === undefined) {
    const message =
      'a test that expects something not to arrive needs a `control` that does arrive; else it passes in a lab where nothing works'
    ctx.addIssue({ code: 'custom', path: ['control'], message })
  }
  const aliases = new Set(Object.keys(spec.bind))
  for (const { alias, path } of references(spec)) {
    if (!aliases.has(alias))
      ctx.addIssue({ code: 'custom', path, message: `${alias} is no alias of \`bind\`; there are ${[...aliases].join(', ')}` })
  }
})

/** A packet-flow assertion: what is sent, and every place that must and must not see it. */
export const FlowTest = z.strictObject({
  apiVersion: z.literal('podwire.dev/v1alpha1'),
  kind: z.literal('FlowTest'),
  metadata: z.strictObject({
    name: z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'use a-z, 0-9 and "-"'),
    labels: z.record(z.string(), z.string()).optional(),
  }),
  spec: Spec,
})
export type FlowTest = z.infer<typeof FlowTest>

/** The same for editors, as JSON Schema. What only a program can check, as aliases that exist, is not in it. */
export const flowTestJsonSchema = () => ({ title: 'podwire FlowTest', ...z.toJSONSchema(FlowTest, { io: 'input', reused: 'ref' }) })

/** Every alias that a text refers to, with its place in the spec: `$client.ip`, `client:eth0`, `veth(client)`. */
function* references(value: unknown, path: PropertyKey[] = []): Generator<{ alias: string; path: PropertyKey[] }> {
  if (typeof value === 'string') {
    const key = path.at(-1)
    const found =
      key === 'at' ? value.matchAll(/veth\(([^)]+)\)|^([a-z][a-z0-9-]*)(?:\.node)?:/gi) : value.matchAll(/^\$([a-z][a-z0-9-]*)/gi)
    for (const match of found) yield { alias: (match[1] ?? match[2])!, path }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, child] of Object.entries(value)) yield* references(child, [...path, Array.isArray(value) ? Number(key) : key])
  }
}
