import type { Chain, NftSet, TableContent } from './nft-content.js'

/** The content of a table as `nft --stateless list table` prints it. */
export function parseNftTable(listed: string): TableContent {
  const chains = new Map<string, Chain>()
  const sets = new Map<string, NftSet>()
  for (const [, kind, name = '', body = ''] of listed.matchAll(/^\t(chain|set|map) (\S+) \{\n([\s\S]*?)^\t\}$/gm)) {
    if (kind === 'chain') chains.set(name, chainOf(linesOf(body)))
    else sets.set(name, setOf(kind === 'map' ? 'map' : 'set', body))
  }
  return { chains, sets }
}

const linesOf = (body: string): readonly string[] =>
  body
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('comment "'))

function chainOf(lines: readonly string[]): Chain {
  const isHooked = lines[0]?.startsWith('type ') ?? false
  return { hook: isHooked ? lines[0]! : '', rules: isHooked ? lines.slice(1) : lines }
}

function setOf(kind: NftSet['kind'], body: string): NftSet {
  const at = body.indexOf('elements = {')
  const definition = linesOf(at < 0 ? body : body.slice(0, at)).join('; ')
  const elements = new Map<string, string>()
  // A dynamic set is filled by the rules.
  if (at >= 0 && !/flags\b.*\bdynamic/.test(definition)) {
    for (const element of body.slice(at + 'elements = {'.length, body.lastIndexOf('}')).split(',')) {
      const [key = '', value = ''] = element.trim().split(' : ')
      elements.set(key, value)
    }
  }
  return { kind, definition, elements }
}
