import { type FieldProblem, invalid, invalidAll, notSupported, required } from './field-problem.js'
import type { NameCheck } from './name-format.js'

/** Rules that many kinds have, each with upstream's words. An absent value is right: `required` says where it is not. */

export const notNegative = (value: number | undefined, field: string): FieldProblem[] =>
  value !== undefined && value < 0 ? [invalid(field, value, 'must be greater than or equal to 0')] : []

export const positive = (value: number | undefined, field: string): FieldProblem[] =>
  value !== undefined && value <= 0 ? [invalid(field, value, 'must be greater than 0')] : []

export const between = (value: number | undefined, low: number, high: number, field: string): FieldProblem[] =>
  value !== undefined && (value < low || value > high) ? [invalid(field, value, `must be between ${low} and ${high}, inclusive`)] : []

export const oneOf = (value: string | undefined, supported: readonly string[], field: string): FieldProblem[] =>
  value === undefined || supported.includes(value) ? [] : [notSupported(field, value, [...supported].sort())]

/** A name that must be given and be right. */
export const namedBy = (value: string | undefined, check: NameCheck, field: string): FieldProblem[] =>
  value ? invalidAll(field, value, check(value)) : [required(field)]

const percent = /^\d+%$/

/** A count, or a percentage of a count. */
export function countOrPercent(value: number | string | undefined, field: string): FieldProblem[] {
  if (value === undefined) return []
  if (typeof value === 'number') return notNegative(value, field)
  if (!percent.test(value)) {
    const example = "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
    return [invalid(field, value, `a valid percent string must be a numeric string followed by an ending '%' ${example}`)]
  }
  return Number.parseInt(value, 10) > 100 ? [invalid(field, value, 'must not be greater than 100%')] : []
}
