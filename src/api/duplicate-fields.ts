/**
 * Paths of object keys that JSON text gives more than once, as `spec.replicas` or `spec.ports[0].name`; each path once.
 * The text must be valid JSON: `JSON.parse` has taken the last of each.
 */
export function findDuplicateFields(text: string): string[] {
  const found = new Set<string>()
  const stack: Frame[] = []
  let key: string | undefined
  for (const { 0: token } of text.matchAll(tokens)) {
    const top = stack.at(-1)
    switch (token) {
      case '{':
      case '[':
        stack.push({ path: top ? pathOf(top, key) : '', keys: token === '{' ? new Set() : undefined, index: 0 })
        key = undefined
        break
      case '}':
      case ']':
        stack.pop()
        key = undefined
        break
      case ',':
        if (top) top.index++
        key = undefined
        break
      case ':':
        break
      default:
        if (!top?.keys || key !== undefined || !token.startsWith('"')) break
        key = JSON.parse(token) as string
        if (top.keys.has(key)) found.add(pathOf(top, key))
        top.keys.add(key)
    }
  }
  return [...found]
}

interface Frame {
  readonly path: string
  /** The keys seen so far; absent in lists. */
  readonly keys: Set<string> | undefined
  index: number
}

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g

const pathOf = ({ path, keys, index }: Frame, key: string | undefined): string =>
  keys ? (path === '' ? (key ?? '') : `${path}.${key}`) : `${path}[${index}]`
