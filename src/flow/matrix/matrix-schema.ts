import { z } from 'zod'

import { AliasName, Binding, FlowSpec } from '../flow-test-schema.js'

const Port = z.int().min(1).max(65535)

/** What each of the pairs is asked; exactly one protocol. */
const Ask = z
  .strictObject({
    tcp: z.strictObject({ port: Port }).optional(),
    udp: z.strictObject({ port: Port }).optional(),
    icmp: z.strictObject({}).optional(),
    timeout: z
      .string()
      .regex(/^\d+(\.\d+)?(ms|s)$/, 'write a time such as 500ms or 2s')
      .default('1s'),
  })
  .refine(({ tcp, udp, icmp }) => [tcp, udp, icmp].filter(each => each !== undefined).length === 1, 'send exactly one of tcp, udp, icmp')

const Spec = z
  .strictObject({
    description: z.string().optional(),
    requires: FlowSpec.shape.requires,
    family: FlowSpec.shape.family,
    given: FlowSpec.shape.given,
    bind: z.record(AliasName, Binding),
    /** Aliases that are asked, in the order of the cells. */
    columns: z.array(AliasName).min(1),
    send: Ask,
    /** Who asks, and for each column: `.` gets through, `X` is dropped, `#` is not asked. */
    expect: z.record(AliasName, z.string().regex(/^[.X#](\s+[.X#])*$/, 'write a cell a column, as ". X #"')),
  })
  .superRefine(({ bind, columns, expect }, ctx) => {
    const rows = Object.entries(expect)
    for (const [i, alias] of columns.entries()) {
      if (bind[alias] === undefined) ctx.addIssue({ code: 'custom', path: ['columns', i], message: `${alias} is no alias of \`bind\`` })
      const marks = rows.map(([, cells]) => marksOf(cells)[i])
      if (marks.includes('X') && !marks.includes('.'))
        ctx.addIssue({
          code: 'custom',
          path: ['columns', i],
          message: `nobody reaches ${alias}: a server that is dead would pass. Let somebody in, at least ${alias} itself`,
        })
    }
    for (const [alias, cells] of rows) {
      if (bind[alias] === undefined) ctx.addIssue({ code: 'custom', path: ['expect', alias], message: `${alias} is no alias of \`bind\`` })
      if (marksOf(cells).length !== columns.length)
        ctx.addIssue({ code: 'custom', path: ['expect', alias], message: `${marksOf(cells).length} cells for ${columns.length} columns` })
    }
  })

/** Who reaches whom, as a table: every cell is a flow of its own. */
export const ReachabilityMatrix = z.strictObject({
  apiVersion: z.literal('podwire.dev/v1alpha1'),
  kind: z.literal('ReachabilityMatrix'),
  metadata: z.strictObject({
    name: z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'use a-z, 0-9 and "-"'),
    labels: z.record(z.string(), z.string()).optional(),
  }),
  spec: Spec,
})
export type ReachabilityMatrix = z.infer<typeof ReachabilityMatrix>

export type Mark = '.' | 'X' | '#'

/** `. X #` → one a column. */
export const marksOf = (cells: string): readonly Mark[] => cells.trim().split(/\s+/) as Mark[]

/** The same for editors, as JSON Schema. */
export const matrixJsonSchema = () => ({
  title: 'podwire ReachabilityMatrix',
  ...z.toJSONSchema(ReachabilityMatrix, { io: 'input', reused: 'ref' }),
})
