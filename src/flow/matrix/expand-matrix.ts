import { type Binding, FlowSpec, type FlowTest } from '../flow-test-schema.js'
import { marksOf, type ReachabilityMatrix } from './matrix-schema.js'

/** Where a flow stands in the matrix that it belongs to. */
export interface MatrixCell {
  readonly matrix: ReachabilityMatrix
  readonly row: number
  readonly column: number
  readonly expected: '.' | 'X'
}

/** The flows of a matrix, one for each cell that is asked. Pure. */
export function expandMatrix(matrix: ReachabilityMatrix): readonly { readonly test: FlowTest; readonly cell: MatrixCell }[] {
  const { metadata, spec } = matrix
  const { columns, expect, bind, send, requires, family, given, description } = spec
  return Object.entries(expect).flatMap(([from, cells], row) =>
    marksOf(cells).flatMap((expected, column) => {
      const to = columns[column]
      if (expected === '#' || to === undefined) return []
      const { timeout, ...protocol } = send
      const test: FlowTest = {
        apiVersion: matrix.apiVersion,
        kind: 'FlowTest',
        metadata: { ...metadata, name: `${metadata.name}-${from}-${to}`.toLowerCase() },
        spec: FlowSpec.parse({
          ...(description !== undefined && { description }),
          ...(requires !== undefined && { requires }),
          family,
          given,
          bind: usedBindings(bind, [from, to]),
          send: { ...protocol, timeout, from: `$${from}`, to: `$${to}` },
          expect: { outcome: expected === '.' ? 'delivered' : { dropped: {} } },
        }),
      }
      return [{ test, cell: { matrix, row, column, expected } }]
    }),
  )
}

/** These aliases and those that they are placed by. */
function usedBindings(bind: Readonly<Record<string, Binding>>, aliases: readonly string[]): Record<string, Binding> {
  const used = new Set(aliases)
  for (const alias of used) {
    for (const [, other = ''] of JSON.stringify(bind[alias] ?? {}).matchAll(/"\$([a-z][a-z0-9-]*)/gi)) used.add(other)
  }
  return Object.fromEntries(Object.entries(bind).filter(([alias]) => used.has(alias)))
}
