import { type Directive, directiveError } from './corefile.js'
import { optionsOf } from './directive-options.js'
import type { Handler } from './handler.js'
import type { Plugin } from './resolve.js'
import { normalZone } from './zones.js'

export interface RewriteRule {
  /** The name to ask for instead of `name` (lower case, without the trailing dot); undefined when the rule is not for it. */
  rename(name: string): string | undefined
  /** True: no rule after it is tried when it applied. */
  readonly isLast: boolean
}

/** Asks the rest of the chain for another name; who asked sees the name asked for. */
export function rewritePlugin(rules: readonly RewriteRule[]): Plugin {
  return next => async query => {
    const asked = normalZone(query.name)
    let name = asked
    for (const { rename, isLast } of rules) {
      const renamed = rename(name)
      if (renamed === undefined) continue
      name = renamed
      if (isLast) break
    }
    if (name === asked) return next(query)
    const reply = await next({ ...query, name })
    const answers = reply.answers.map(record => (normalZone(record.name) === name ? { ...record, name: query.name } : record))
    return { ...reply, answers }
  }
}

const matches = ['exact', 'prefix', 'suffix', 'substring', 'regex'] as const
type Match = (typeof matches)[number]

/** `rewrite [continue|stop] name [exact|prefix|suffix|substring|regex] FROM TO`, as often as a block likes. */
export const rewriteHandler: Handler = {
  name: 'rewrite',
  plugins: directives => (directives.length === 0 ? [] : [rewritePlugin(directives.map(ruleOf))]),
}

function ruleOf(directive: Directive): RewriteRule {
  optionsOf(directive)
  const [mode, ...afterMode] = directive.args
  const isMode = mode === 'continue' || mode === 'stop'
  const [field, ...words] = isMode ? afterMode : directive.args
  if (field !== 'name') throw directiveError(directive, `rewrites names only, not ${field ?? 'nothing'}; write name FROM TO`)
  const named = matches.find(each => each === words[0])
  const [from, to, extra] = named !== undefined && words.length > 2 ? words.slice(1) : words
  if (from === undefined || to === undefined || extra !== undefined)
    throw directiveError(directive, `needs FROM and TO after name [${matches.join('|')}]`)
  const match = words.length > 2 ? (named ?? 'exact') : 'exact'
  return { isLast: mode !== 'continue', rename: renaming(match, from, to, directive) }
}

function renaming(match: Match, fromText: string, toText: string, directive: Directive): RewriteRule['rename'] {
  const [from, to] = [normalZone(fromText), normalZone(toText)]
  switch (match) {
    case 'exact':
      return name => (name === from ? to : undefined)
    case 'prefix':
      return name => (name.startsWith(from) ? `${to}${name.slice(from.length)}` : undefined)
    case 'suffix':
      return name => (name.endsWith(from) ? `${name.slice(0, name.length - from.length)}${to}` : undefined)
    case 'substring':
      return name => (name.includes(from) ? name.replaceAll(from, to) : undefined)
    case 'regex': {
      const pattern = regularExpression(fromText, directive)
      // The expression sees the name with its trailing dot; what it makes is the whole new name.
      return name => {
        const groups = pattern.exec(`${name}.`)
        return groups === null ? undefined : normalZone(toText.replace(/\{(\d+)\}/g, (_, group: string) => groups[Number(group)] ?? ''))
      }
    }
  }
}

function regularExpression(text: string, directive: Directive): RegExp {
  try {
    return new RegExp(text)
  } catch (error) {
    throw directiveError(directive, error instanceof Error ? error.message : String(error))
  }
}
