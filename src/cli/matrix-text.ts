import type { MatrixRecord } from '../base/results/run-record.js'
import type { Paint } from './text-ladder.js'

/**
 * Who reaches whom as a grid, columns by number and named below it: `.` gets through, `X` does not, both as predicted; `!` differs from the
 * prediction, `?` could not be told, `#` was not asked.
 */
export function matrixText({ name, rows, columns, cells }: MatrixRecord, paint: Paint): string {
  const at = new Map(cells.map(cell => [`${cell.row} ${cell.column}`, cell]))
  const width = Math.max(...rows.map(row => row.length), name.length)
  const digits = String(columns.length).length
  const head = `${name.padEnd(width)}  ${columns.map((_, i) => String(i + 1).padStart(digits)).join(' ')}`
  const lines = rows.map((row, i) => {
    const marks = columns.map((_, column) => {
      const cell = at.get(`${i} ${column}`)
      const padding = ' '.repeat(digits - 1)
      if (cell === undefined || cell.seen === '#') return padding + paint(cell?.verdict === 'error' ? '?' : '#', 'dim')
      if (cell.verdict === 'fail') return padding + paint('!', 'red')
      if (cell.verdict === 'error') return padding + paint('?', 'red')
      return padding + paint(cell.seen, cell.seen === '.' ? 'green' : 'yellow')
    })
    return `${row.padEnd(width)}  ${marks.join(' ')}`
  })
  const legend = columns.map((column, i) => `  ${String(i + 1).padStart(digits)}  ${column}`)
  return `${[paint(head, 'bold'), ...lines, ...legend].join('\n')}\n`
}
