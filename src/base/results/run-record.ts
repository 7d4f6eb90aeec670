import { z } from 'zod'

/** How one check ended. `error`: it could not tell. */
export const Verdict = z.enum(['pass', 'fail', 'skip', 'error', 'warn'])
export type Verdict = z.infer<typeof Verdict>

/** One packet at one interface of one host in one direction, as a capture saw it. */
export const HopRecord = z.strictObject({
  /** The role in the flow: `client:eth0`, `client.node:vxlan`. */
  at: z.string(),
  /** The real owner and interface: `node-1`, `cni0`; `shop/web-1`, `eth0`. */
  owner: z.string(),
  /** The host (node) on which the owner lives. */
  host: z.string(),
  interface: z.string(),
  dir: z.enum(['in', 'out']),
  /** Nanoseconds since the epoch, as decimal text. */
  timeNs: z.string(),
  /** Number of the frame in the run's pcapng, counted from 1 as Wireshark does. */
  frame: z.int().optional(),
  /** One line: `10.244.1.5:41234 → 10.96.0.10:80 TCP SYN ttl 64`. */
  summary: z.string(),
  /** What differs from the hop before, as chips: `dst 10.96.0.10:80 → 10.244.2.9:8080`, `ttl 64 → 63`, `+VXLAN vni 1`. */
  changes: z.array(z.string()),
  headers: z.record(z.string(), z.unknown()),
  /** The headers from the outside in, and at the end what they carry, with their bytes. */
  layers: z.array(z.strictObject({ name: z.string(), bytes: z.int() })).optional(),
  /** The largest packet of the interface. */
  mtu: z.int().optional(),
  /** What made it so: the rules, routes, entries of tables, and the objects behind them. One line each. */
  by: z.array(z.string()).optional(),
})
export type HopRecord = z.infer<typeof HopRecord>

/** One place where expectation and capture differ, or why a verdict is not a pass. */
export const Finding = z.strictObject({
  severity: z.enum(['fail', 'error', 'warn']),
  /** What is wrong, in one sentence. */
  message: z.string(),
  /** Position of the assertion: `flows/clusterip.flow.yaml:14:7`. */
  where: z.string().optional(),
  /** The nearest packet really seen. */
  nearest: z.string().optional(),
  frame: z.int().optional(),
  why: z.string().optional(),
})
export type Finding = z.infer<typeof Finding>

/** A step of a ladder: a hop seen, or one that was expected and is missing, or one that was forbidden and seen. */
export const LadderStep = z.strictObject({
  kind: z.enum(['seen', 'missing', 'forbidden']),
  leg: z.enum(['path', 'reply']),
  at: z.string(),
  dir: z.enum(['in', 'out']),
  hop: HopRecord.optional(),
  /** What was expected here, as text. */
  expected: z.string().optional(),
})
export type LadderStep = z.infer<typeof LadderStep>

export const ConntrackRecord = z.strictObject({
  host: z.string(),
  protocol: z.string(),
  orig: z.strictObject({ src: z.string(), dst: z.string(), sport: z.int().optional(), dport: z.int().optional() }),
  reply: z.strictObject({ src: z.string(), dst: z.string(), sport: z.int().optional(), dport: z.int().optional() }),
  state: z.string().optional(),
  nat: z.array(z.enum(['snat', 'dnat'])),
  /** The rule and the object that made it, where known. */
  madeBy: z.string().optional(),
})
export type ConntrackRecord = z.infer<typeof ConntrackRecord>

/** Why a flow ended as it did. */
export const CauseRecord = z.strictObject({
  /** Stable, for programs: `no-endpoints`, `br-netfilter-off`. */
  code: z.string(),
  /** What is wrong, in one sentence that names the object. */
  message: z.string(),
  /** The host and what of it: `node-2: ip filter FORWARD`. */
  where: z.string().optional(),
  /** The rule, route or entry, as its own tool prints it. */
  evidence: z.array(z.string()),
  /** The command that mends it or shows more. */
  mend: z.string().optional(),
})
export type CauseRecord = z.infer<typeof CauseRecord>

export const FlowRecord = z.strictObject({
  name: z.string(),
  description: z.string().optional(),
  file: z.string(),
  verdict: Verdict,
  /** Why it was skipped or could not tell; absent for a pass. */
  reason: z.string().optional(),
  durationMs: z.number(),
  /** alias → what it was bound to: `client → pod default/client (10.244.1.5 on node-1)`. */
  bound: z.record(z.string(), z.string()),
  sent: z.string(),
  outcome: z.string(),
  ladder: z.array(LadderStep),
  conntrack: z.array(ConntrackRecord),
  findings: z.array(Finding),
  /** How the same flow ended without any capture running; must equal `outcome`. */
  outcomeUnwatched: z.string().optional(),
  /** Of a flow that `why` was asked about. */
  causes: z.array(CauseRecord).optional(),
})
export type FlowRecord = z.infer<typeof FlowRecord>

/** Who reaches whom: `.` gets through, `X` does not, `#` was not asked. A cell whose flow did not go as it must has the verdict `fail` or `error`. */
export const MatrixRecord = z.strictObject({
  name: z.string(),
  rows: z.array(z.string()),
  columns: z.array(z.string()),
  cells: z.array(
    z.strictObject({
      row: z.int(),
      column: z.int(),
      expected: z.enum(['.', 'X']),
      seen: z.enum(['.', 'X', '#']),
      verdict: Verdict,
      /** The name of the flow that asked. */
      flow: z.string(),
    }),
  ),
})
export type MatrixRecord = z.infer<typeof MatrixRecord>

/** One run of the flow suite: results.json. */
export const RunRecord = z.strictObject({
  format: z.literal('podwire.dev/run/v1'),
  startedAt: z.iso.datetime(),
  durationMs: z.number(),
  lab: z.strictObject({ name: z.string(), substrate: z.string(), datapath: z.string(), proxy: z.string(), nodes: z.array(z.string()) }),
  machine: z.strictObject({ kernel: z.string(), node: z.string(), cpus: z.int() }),
  /** File name of the pcapng beside results.json, when captures ran. */
  pcapng: z.string().optional(),
  /** Packets the kernel says the captures lost. */
  packetsLost: z.int(),
  flows: z.array(FlowRecord),
  matrices: z.array(MatrixRecord).optional(),
})
export type RunRecord = z.infer<typeof RunRecord>
