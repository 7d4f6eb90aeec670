const posix: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z',
  digit: '0-9',
  alnum: 'A-Za-z0-9',
  upper: 'A-Z',
  lower: 'a-z',
  space: '\\s',
  punct: '!-\\/:-@\\[-`{-~',
  word: '\\w',
  xdigit: '0-9A-Fa-f',
}

/** A pattern in Go's syntax (RE2) as a RegExp; undefined for what is none. */
export function goPattern(pattern: string): RegExp | undefined {
  const flags = /^\(\?([ims]+)\)/.exec(pattern)
  const text = pattern
    .slice(flags?.[0].length ?? 0)
    .replace(/\[:(\w+):\]/g, (whole, name: string) => posix[name] ?? whole)
    .replace(/\(\?P</g, '(?<')
    .replace(/\\A/g, '^')
    .replace(/\\z/g, '$')
  // In the strict form `\-` is an error; in the loose one `\p{L}` is two letters.
  for (const form of ['u', '']) {
    try {
      return new RegExp(text, `${flags?.[1] ?? ''}${form}`)
    } catch {
      // The next form may read it.
    }
  }
  return undefined
}
