import { PodwireError } from '../base/errors/podwire-error.js'
import type { LabelSelector } from './generated/types.js'

type Labels = Readonly<Record<string, string>>

/** One condition on a label; a selector is the conjunction of its requirements. */
export interface Requirement {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt'
  readonly values: readonly string[]
}

/** One condition on a field that the resource lets be selected. */
export interface FieldRequirement {
  readonly field: string
  readonly operator: '=' | '!='
  readonly value: string
}

/** The requirements of a LabelSelector object. An empty selector selects everything; none at all is the caller's case to decide. */
export function requirementsOf({ matchLabels = {}, matchExpressions = [] }: LabelSelector): readonly Requirement[] {
  return [
    ...Object.entries(matchLabels).map(([key, value]): Requirement => ({ key, operator: 'In', values: [value] })),
    ...matchExpressions.map(
      ({ key, operator, values = [] }): Requirement => ({ key, operator: operator as Requirement['operator'], values }),
    ),
  ]
}

/** True when the labels meet every requirement. A key that is missing meets NotIn, as upstream. */
export const matchesLabels = (requirements: readonly Requirement[], labels: Labels = {}): boolean =>
  requirements.every(requirement => meets(requirement, labels))

/** True when a LabelSelector selects these labels; an absent one selects nothing. */
export const selectorMatches = (selector: LabelSelector | undefined, labels: Labels = {}): boolean =>
  selector !== undefined && matchesLabels(requirementsOf(selector), labels)

function meets({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return isInteger(value) && isInteger(values[0]) && BigInt(value) > BigInt(values[0])
    case 'Lt':
      return isInteger(value) && isInteger(values[0]) && BigInt(value) < BigInt(values[0])
  }
}

const isInteger = (text: string | undefined): text is string => text !== undefined && /^-?\d+$/.test(text)

/** The text form of a selector, as list requests carry it. */
export function formatLabelSelector(requirements: readonly Requirement[]): string {
  return requirements.map(formatRequirement).join(',')
}

function formatRequirement({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'In':
      return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join(',')})`
    case 'NotIn':
      return values.length === 1 ? `${key}!=${values[0]}` : `${key} notin (${values.join(',')})`
    case 'Exists':
      return key
    case 'DoesNotExist':
      return `!${key}`
    case 'Gt':
      return `${key}>${values[0]}`
    case 'Lt':
      return `${key}<${values[0]}`
  }
}

/** Parses `metadata.name=a,status.phase!=Running`; a backslash escapes `,`, `=` and itself in values. Errors: CONFIG_INVALID. */
export function parseFieldSelector(text: string): readonly FieldRequirement[] {
  const terms = text.match(/(?:\\.?|[^,\\])+/gs) ?? []
  return terms.map(term => {
    const parts = /^([^=!]+?)\s*(==|=|!=)((?:\\[\\,=]|[^=,\\])*)$/.exec(term.trim())
    if (!parts) throw new PodwireError('CONFIG_INVALID', `invalid selector: '${text}'; can't understand '${term}'`)
    return { field: parts[1]!, operator: parts[2] === '!=' ? '!=' : '=', value: parts[3]!.replace(/\\(.)/g, '$1') }
  })
}

/** True when the fields meet every requirement; a field that the object has not reads as empty. */
export const matchesFields = (requirements: readonly FieldRequirement[], fields: Readonly<Record<string, string>>): boolean =>
  requirements.every(({ field, operator, value }) => ((Object.hasOwn(fields, field) ? fields[field] : '') === value) === (operator === '='))
