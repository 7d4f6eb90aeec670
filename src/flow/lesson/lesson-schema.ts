import { z } from 'zod'

const Place = z.enum(['client', 'server', 'client.node', 'server.node'])

/** One thing that is done to the lab: a shell command in a Pod's or node's namespaces, or objects applied. */
const Step = z.union([
  z.strictObject({
    on: Place,
    /** For `sh -c`. Knows $CLIENT_IP, $CLIENT_VETH, $CLIENT_MAC, $CLIENT_NODE_IP, $CLIENT_RANGE, $CLIENT_VXLAN_IP, $CLIENT_VXLAN_MAC, the same of SERVER, $SERVICE_IP, $BRIDGE, $VXLAN and $UPLINK. */
    run: z.string().min(1),
  }),
  z.strictObject({ apply: z.array(z.record(z.string(), z.unknown())).min(1) }),
])
export type LessonStep = z.infer<typeof Step>

/** A broken lab with the question whose answer the learner has to change. */
export const Lesson = z.strictObject({
  apiVersion: z.literal('podwire.dev/v1alpha1'),
  kind: z.literal('Lesson'),
  metadata: z.strictObject({ name: z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'use a-z, 0-9 and "-"') }),
  spec: z.strictObject({
    title: z.string().min(1),
    part: z.enum(['inside a Pod', 'on one node', 'across nodes', 'through Services', 'through policy']),
    /** What the learner is told before. */
    story: z.string().min(1),
    /** Manifests to apply and wait for, relative to the file. */
    given: z.array(z.string()).default([]),
    /** Names of Pods that the steps speak of. */
    pods: z.strictObject({ client: z.string(), server: z.string() }),
    /** What must get through; as `podwire why` is asked. */
    ask: z.strictObject({
      from: z.string(),
      to: z.string(),
      protocol: z.enum(['tcp', 'udp', 'icmp']).optional(),
      size: z.union([z.int(), z.literal('mtu')]).optional(),
    }),
    namespace: z.string().default('classroom'),
    /** Nodes whose agent is held meanwhile, since it would mend the damage before anybody sees it. */
    holdAgentOf: z.array(z.enum(['client.node', 'server.node'])).default([]),
    /** Datapaths and proxies in which it can be shown; all when absent. */
    requires: z.strictObject({ cni: z.array(z.string()).optional(), proxy: z.array(z.string()).optional() }).default({}),
    break: z.array(Step).min(1),
    /** What `why` must name. */
    cause: z.string(),
    hint: z.string().min(1),
    mend: z.array(Step).min(1),
  }),
})
export type Lesson = z.infer<typeof Lesson>
