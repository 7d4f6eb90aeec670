import type { StatusCause } from './generated/types.js'

/** One thing wrong with one field, in the wording of upstream's field errors (apimachinery, pkg/util/validation/field). */
export interface FieldProblem {
  readonly reason:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueForbidden'
    | 'FieldValueDuplicate'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueTypeInvalid'
  /** The path of the field, as `spec.containers[0].name`. */
  readonly field: string
  readonly message: string
}

export const required = (field: string, detail = ''): FieldProblem => ({
  reason: 'FieldValueRequired',
  field,
  message: detail === '' ? 'Required value' : `Required value: ${detail}`,
})
export const invalid = (field: string, value: unknown, detail: string): FieldProblem => ({
  reason: 'FieldValueInvalid',
  field,
  message: `Invalid value: ${JSON.stringify(value) ?? 'null'}: ${detail}`,
})
export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldProblem => ({
  reason: 'FieldValueNotSupported',
  field,
  message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.map(name => JSON.stringify(name)).join(', ')}`,
})
export const forbidden = (field: string, detail: string): FieldProblem => ({
  reason: 'FieldValueForbidden',
  field,
  message: `Forbidden: ${detail}`,
})
export const duplicate = (field: string, value: unknown): FieldProblem => ({
  reason: 'FieldValueDuplicate',
  field,
  message: `Duplicate value: ${JSON.stringify(value)}`,
})
export const tooLong = (field: string, limit: number): FieldProblem => ({
  reason: 'FieldValueTooLong',
  field,
  message: `Too long: may not be more than ${limit} bytes`,
})

/** One `Invalid value` for each message about the same value. */
export const invalidAll = (field: string, value: unknown, messages: readonly string[]): FieldProblem[] =>
  messages.map(message => invalid(field, value, message))

export const causeOf = ({ reason, field, message }: FieldProblem): StatusCause => ({ reason, message, field })
