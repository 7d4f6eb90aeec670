import { PodwireError } from '../base/errors/podwire-error.js'
import { nearestWord } from '../base/yaml/nearest-word.js'

/** One line of a Corefile with the block it opens, as `cache 30 { … }`. */
export interface Directive {
  readonly name: string
  readonly args: readonly string[]
  readonly block: readonly Directive[]
  /** `file:line:column` of the name. */
  readonly place: string
}

/** What one listener answers for: the zones on a port. */
export interface ServerBlock {
  /** Lower case, without the trailing dot; the root is empty. */
  readonly zones: readonly { readonly zone: string; readonly port: number }[]
  readonly directives: readonly Directive[]
  readonly place: string
}

interface Token {
  readonly text: string
  readonly place: string
  readonly line: number
  readonly isQuoted: boolean
}

/**
 * Reads a Corefile; `known` are the directives there are. Errors: CONFIG_INVALID with the place of every unknown directive,
 * else of the first thing that is no Corefile.
 */
export function parseCorefile(text: string, file: string, known: readonly string[]): readonly ServerBlock[] {
  const tokens = tokensOf(text, file)
  let at = 0
  const isAt = (brace: '{' | '}'): boolean => tokens[at]?.text === brace && !tokens[at]?.isQuoted

  function directives(opened: Token): Directive[] {
    const found: Directive[] = []
    while (!isAt('}')) {
      const first = tokens[at++]
      if (!first) throw invalid(`${opened.place}: this block is not closed`)
      const args: string[] = []
      while (tokens[at]?.line === first.line && !isAt('{') && !isAt('}')) args.push(tokens[at++]!.text)
      const brace = tokens[at]?.line === first.line && isAt('{') ? tokens[at++] : undefined
      found.push({ name: first.text, args, block: brace ? directives(brace) : [], place: first.place })
    }
    at++
    return found
  }

  const blocks: ServerBlock[] = []
  while (at < tokens.length) {
    const start = tokens[at]!
    const names: Token[] = []
    while (at < tokens.length && !isAt('{')) names.push(tokens[at++]!)
    const brace = tokens[at++]
    if (!brace) throw invalid(`${start.place}: ${start.text} opens no block`)
    if (names.length === 0) throw invalid(`${start.place}: a block needs the zones it is for, as .:53`)
    const zones = names.flatMap(({ text, place }) =>
      text
        .split(',')
        .filter(Boolean)
        .map(name => zoneOf(name, place)),
    )
    blocks.push({ zones, directives: directives(brace), place: start.place })
  }

  const unknown = blocks.flatMap(block => block.directives).filter(({ name }) => !known.includes(name))
  if (unknown.length > 0)
    throw invalid(
      unknown
        .map(({ name, place }) => {
          const nearest = nearestWord(name, known)
          return `${place}: unknown directive ${name}${nearest === undefined ? '' : `, did you mean ${nearest}?`}`
        })
        .join('\n'),
    )
  return blocks
}

/** An error about one directive, with its place. */
export function directiveError({ place, name }: Directive, message: string): PodwireError {
  return invalid(`${place}: ${name}: ${message}`)
}

const invalid = (message: string): PodwireError => new PodwireError('CONFIG_INVALID', message)

function zoneOf(text: string, place: string): { zone: string; port: number } {
  const [, name, port = '53'] = text.match(/^(?:dns:\/\/)?([^:/]*)(?::(\d+))?$/) ?? []
  if (name === undefined || Number(port) > 65_535) throw invalid(`${place}: ${text} is no zone with a port, as example.org:53`)
  return { zone: name.toLowerCase().replace(/\.$/, ''), port: Number(port) }
}

/** Words, quoted words and braces; `#` begins a comment; `{$NAME}` and `{%NAME%}` stand for the environment. */
function tokensOf(text: string, file: string): Token[] {
  return text.split('\n').flatMap((content, index) => {
    const line = index + 1
    const words = content.matchAll(/#.*|"((?:[^"\\]|\\.)*)"|[^\s"]+/g)
    return [...words].flatMap(({ 0: word, 1: quoted, index }) => {
      if (word.startsWith('#')) return []
      const text = (quoted?.replaceAll('\\"', '"') ?? word).replace(
        /\{\$(\w+)\}|\{%(\w+)%\}/g,
        (_, unix: string | undefined, windows: string | undefined) => process.env[unix ?? windows ?? ''] ?? '',
      )
      return [{ text, line, place: `${file}:${line}:${index + 1}`, isQuoted: quoted !== undefined }]
    })
  })
}
