/** Rows as columns of equal width, two spaces apart; `kubectl get` looks the same. The last column is not padded. */
export function textTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header.map(title => title.toUpperCase()), ...rows]
  const widths = header.map((_, column) => Math.max(...all.map(row => displayWidth(row[column] ?? ''))))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - displayWidth(cell) + 2)))
      .join('')
      .trimEnd()
  return `${all.map(line).join('\n')}\n`
}

/** Colour codes take no room. */
// biome-ignore lint/complexity/useRegexLiterals: an escape character in a literal is hard to see
const colorCodes = new RegExp('\\x1b\\[[0-9;]*m', 'g')
const displayWidth = (text: string): number => [...text.replace(colorCodes, '')].length
