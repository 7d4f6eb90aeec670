import { PodwireError } from '../base/errors/podwire-error.js'
import { checkLabelValue, checkQualifiedName } from './name-format.js'
import type { Requirement } from './selector.js'

const operators = ['in', 'notin', '=', '==', '!=', 'gt', 'lt']
const symbols = /\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+|$)/y

/**
 * Parses `app=web,tier in (a,b),!legacy`; an empty text selects everything. Errors: CONFIG_INVALID, in upstream's words
 * (apimachinery, pkg/labels).
 */
export function parseLabelSelector(text: string): readonly Requirement[] {
  const tokens = createTokens(text)
  const requirements: Requirement[] = []
  if (tokens.next() === '') return []
  while (true) {
    const start = tokens.next()
    if (start !== '!' && !isIdentifier(start)) throw invalid(`found '${start}', expected: !, identifier, or 'end of string'`)
    requirements.push(parseRequirement(tokens))
    const end = tokens.take()
    if (end === '') return requirements
    if (end !== ',') throw invalid(`found '${end}', expected: ',' or 'end of string'`)
    const after = tokens.next()
    if (after !== '!' && !isIdentifier(after)) throw invalid(`found '${after}', expected: identifier after ','`)
  }
}

interface Tokens {
  /** The token to come; empty at the end. */
  next(): string
  take(): string
}

function createTokens(text: string): Tokens {
  const found: string[] = []
  symbols.lastIndex = 0
  for (let token = symbols.exec(text)?.[1]; token; token = symbols.exec(text)?.[1]) found.push(token)
  let at = 0
  return { next: () => found[at] ?? '', take: () => found[at++] ?? '' }
}

const isIdentifier = (token: string): boolean => !/^(==|!=|[=!(),<>]|)$/.test(token)

function parseRequirement(tokens: Tokens): Requirement {
  const isAbsent = tokens.next() === '!'
  if (isAbsent) tokens.take()
  const key = tokens.take()
  if (!isIdentifier(key)) throw unparsed(`found '${key}', expected: identifier`)
  refuse(checkQualifiedName(key), '<nil>', key)
  if (isAbsent) return { key, operator: 'DoesNotExist', values: [] }
  if (['', ','].includes(tokens.next())) return { key, operator: 'Exists', values: [] }
  const operator = tokens.take()
  switch (operator) {
    case 'in':
    case 'notin':
      return { key, operator: operator === 'in' ? 'In' : 'NotIn', values: checked(key, parseValues(tokens)) }
    case '=':
    case '==':
      return { key, operator: 'In', values: checked(key, [parseValue(tokens)]) }
    case '!=':
      return { key, operator: 'NotIn', values: checked(key, [parseValue(tokens)]) }
    case '>':
    case '<': {
      const value = parseValue(tokens)
      if (!/^[+-]?\d+$/.test(value)) refuse(["for 'Gt', 'Lt' operators, the value must be an integer"], 'values[0]', value)
      return { key, operator: operator === '>' ? 'Gt' : 'Lt', values: [value] }
    }
    default:
      throw unparsed(`found '${operator}', expected: ${operators.join(', ')}`)
  }
}

/** A value that is left out is the empty one. */
function parseValue(tokens: Tokens): string {
  if (['', ','].includes(tokens.next())) return ''
  const value = tokens.take()
  if (!isIdentifier(value)) throw unparsed(`found '${value}', expected: identifier`)
  return value
}

function parseValues(tokens: Tokens): string[] {
  const open = tokens.take()
  if (open !== '(') throw unparsed(`found '${open}' expected: '('`)
  const values = new Set<string>()
  while (true) {
    const isValue = isIdentifier(tokens.next())
    values.add(isValue ? tokens.take() : '')
    const end = tokens.take()
    if (end === ')') return [...values]
    if (end !== ',') throw unparsed(`found '${end}', expected: ${isValue ? "',' or ')'" : "',', ')' or identifier"}`)
  }
}

function checked(key: string, values: readonly string[]): readonly string[] {
  values.forEach((value, i) => {
    refuse(checkLabelValue(value), `values[${i}][${key}]`, value)
  })
  return values
}

function refuse(complaints: readonly string[], field: string, value: string): void {
  if (complaints.length > 0) throw unparsed(`${field}: Invalid value: ${JSON.stringify(value)}: ${complaints.join('; ')}`)
}

const unparsed = (message: string): PodwireError => invalid(`unable to parse requirement: ${message}`)
const invalid = (message: string): PodwireError => new PodwireError('CONFIG_INVALID', message)
