import { readFileSync } from 'node:fs'

import { parseGoDuration } from '../base/time/go-duration.js'
import { nearestWord } from '../base/yaml/nearest-word.js'
import { type Directive, directiveError } from './corefile.js'
import { normalZone } from './zones.js'

/** The options in a directive's block by name. Errors: CONFIG_INVALID at one that is unknown or said twice. */
export function optionsOf(directive: Directive, ...known: readonly string[]): ReadonlyMap<string, Directive> {
  const found = new Map<string, Directive>()
  for (const option of directive.block) {
    if (!known.includes(option.name)) {
      const nearest = nearestWord(option.name, known)
      throw directiveError(option, `is no option of ${directive.name} here${nearest === undefined ? '' : `, did you mean ${nearest}?`}`)
    }
    const before = found.get(option.name)
    if (before !== undefined) throw directiveError(option, `is said already, at ${before.place}`)
    found.set(option.name, option)
  }
  return found
}

/** The arguments of a directive that takes so many. Errors: CONFIG_INVALID when there are more. */
export function atMost(directive: Directive, count: number): readonly string[] {
  const extra = directive.args[count]
  if (extra !== undefined) throw directiveError(directive, `${extra} is one argument too many`)
  return directive.args
}

/** A whole number in a range, both ends in it. Errors: CONFIG_INVALID. */
export function wholeNumber(directive: Directive, text: string, { from, to }: { readonly from: number; readonly to: number }): number {
  if (!/^\d+$/.test(text)) throw directiveError(directive, `${text} is no whole number`)
  const number = Number(text)
  if (number < from || number > to) throw directiveError(directive, `${text} is not from ${from} to ${to}`)
  return number
}

/** The value of an option that is one whole number; `otherwise` when it is not said. */
export function numberOption(
  option: Directive | undefined,
  range: { readonly from: number; readonly to: number },
  otherwise: number,
): number {
  if (option === undefined) return otherwise
  const [text] = atMost(option, 1)
  if (text === undefined) throw directiveError(option, 'needs a number')
  return wholeNumber(option, text, range)
}

/** Zones whose names go on to the next handler when this one has no such name: those said, all when none is, none without the option. */
export function fallthroughZones(option: Directive | undefined): readonly string[] {
  if (option === undefined) return []
  return option.args.length === 0 ? [''] : option.args.map(normalZone)
}

/** The text of a file that a directive names. Errors: CONFIG_INVALID with the place and why it cannot be read. */
export function textOfFile(directive: Directive, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw directiveError(directive, `${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
  }
}

/** Milliseconds of a duration, as `5s`. Errors: CONFIG_INVALID for what is none and below `from`. */
export function duration(directive: Directive, text: string, from: number): number {
  const ms = parseGoDuration(text)
  if (ms === undefined || ms < from) throw directiveError(directive, `${text} is no duration of at least ${from / 1000}s, as 30s`)
  return ms
}
