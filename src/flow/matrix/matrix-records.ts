import type { FlowRecord, MatrixRecord } from '../../base/results/run-record.js'
import type { FlowDocument } from '../parse-flow-file.js'
import type { ReachabilityMatrix } from './matrix-schema.js'

/** The matrices of a run with what was seen in their cells. */
export function matrixRecords(documents: readonly FlowDocument[], flows: readonly FlowRecord[]): readonly MatrixRecord[] {
  const byName = new Map(flows.map(flow => [flow.name, flow]))
  return matricesOf(documents).map(matrix => ({
    name: matrix.metadata.name,
    rows: Object.keys(matrix.spec.expect),
    columns: [...matrix.spec.columns],
    cells: documents.flatMap(({ cell, test }) => {
      if (cell?.matrix !== matrix) return []
      const { row, column, expected } = cell
      const flow = test.metadata.name
      return [{ row, column, expected, flow, ...seenIn(byName.get(flow)) }]
    }),
  }))
}

/** Each once, in their order. */
export const matricesOf = (documents: readonly FlowDocument[]): readonly ReachabilityMatrix[] => [
  ...new Set(documents.flatMap(({ cell }) => cell?.matrix ?? [])),
]

function seenIn(flow: FlowRecord | undefined): Pick<MatrixRecord['cells'][number], 'seen' | 'verdict'> {
  const { outcome, verdict = 'error' } = flow ?? {}
  if (outcome === undefined || outcome === 'not sent' || outcome === 'control failed') return { seen: '#', verdict }
  return { seen: outcome === 'delivered' ? '.' : 'X', verdict }
}

/**
 * Flows in the order in which they are sent: the cells of a matrix as many at a time as it has rows, each from another of them; every other flow
 * by itself.
 */
export function flowBatches(documents: readonly FlowDocument[]): readonly (readonly FlowDocument[])[] {
  const diagonals = new Map<string, FlowDocument[]>()
  const names = matricesOf(documents)
  documents.forEach((document, i) => {
    const { cell } = document
    const key =
      cell === undefined
        ? `alone ${i}`
        : `${names.indexOf(cell.matrix)} ${(cell.column + cell.row) % Math.max(cell.matrix.spec.columns.length, 1)}`
    diagonals.set(key, [...(diagonals.get(key) ?? []), document])
  })
  return [...diagonals.values()]
}
