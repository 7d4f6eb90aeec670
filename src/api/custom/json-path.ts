import { isJsonObject, type JsonValue } from '../json.js'

type Step =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'deep'; readonly key: string }
  | { readonly kind: 'where'; readonly path: readonly Step[]; readonly operator: string; readonly value: JsonValue }

/** Finds the values of a path, as `.status.conditions[?(@.type=="Ready")].status`, in an object. */
export type JsonPath = (value: JsonValue) => JsonValue[]

const key = /^\.((?:[^.[\]\\]|\\.)+)/
const deep = /^\.\.((?:[^.[\]\\]|\\.)+)/
const quoted = /^\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/
const index = /^\[(-?\d+)\]/
const all = /^(\[\*\]|\.\*)/
const where = /^\[\?\(\s*@((?:\.[^.[\]\s=!<>\\]+)*)\s*(?:(==|!=|<=|>=|<|>)\s*('[^']*'|"[^"]*"|[^)\s]+)\s*)?\)\]/

/** Reads the part of kubectl's JSONPath that columns and selectable fields use; undefined for what is none. */
export function parseJsonPath(text: string): JsonPath | undefined {
  const steps = parseSteps(text.replace(/^\$/, ''))
  return steps && (value => steps.reduce<JsonValue[]>((values, step) => values.flatMap(one => apply(one, step)), [value]))
}

/** The names of nested fields, when a path is nothing else: `.spec.replicas`. */
export function parseFieldPath(text: string): readonly string[] | undefined {
  const steps = parseSteps(text)
  const names = steps?.flatMap(step => (step.kind === 'key' ? [step.key] : []))
  return names !== undefined && names.length > 0 && names.length === steps?.length ? names : undefined
}

const unescaped = (text: string): string => text.replace(/\\(.)/g, '$1')

function parseSteps(text: string): Step[] | undefined {
  const steps: Step[] = []
  let rest = text === '.' ? '' : text
  while (rest !== '') {
    const step = parseStep(rest)
    if (!step) return undefined
    steps.push(step[0])
    rest = rest.slice(step[1])
  }
  return steps
}

function parseStep(text: string): readonly [Step, number] | undefined {
  let found = all.exec(text)
  if (found) return [{ kind: 'all' }, found[0].length]
  found = deep.exec(text)
  if (found) return [{ kind: 'deep', key: unescaped(found[1]!) }, found[0].length]
  found = key.exec(text)
  if (found) return [{ kind: 'key', key: unescaped(found[1]!) }, found[0].length]
  found = quoted.exec(text)
  if (found) return [{ kind: 'key', key: unescaped(found[1] ?? found[2]!) }, found[0].length]
  found = index.exec(text)
  if (found) return [{ kind: 'index', index: Number(found[1]) }, found[0].length]
  found = where.exec(text)
  const path = found && parseSteps(found[1] ?? '')
  if (!found || !path) return undefined
  return [{ kind: 'where', path, operator: found[2] ?? 'exists', value: literal(found[3] ?? '') }, found[0].length]
}

function literal(text: string): JsonValue {
  if (/^['"]/.test(text)) return text.slice(1, -1)
  if (text === 'true' || text === 'false') return text === 'true'
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text
}

function apply(value: JsonValue, step: Step): JsonValue[] {
  switch (step.kind) {
    case 'key':
      return isJsonObject(value) && Object.hasOwn(value, step.key) ? [value[step.key]!] : []
    case 'index': {
      const item = Array.isArray(value) ? value.at(step.index) : undefined
      return item === undefined ? [] : [item]
    }
    case 'all':
      return typeof value === 'object' && value !== null ? Object.values(value) : []
    case 'deep':
      return descend(value, step.key)
    case 'where':
      return Array.isArray(value) ? value.filter(item => holds(item, step)) : []
  }
}

function descend(value: JsonValue, name: string): JsonValue[] {
  if (typeof value !== 'object' || value === null) return []
  const own = isJsonObject(value) && Object.hasOwn(value, name) ? [value[name]!] : []
  return [...own, ...Object.values(value).flatMap(item => descend(item, name))]
}

function holds(item: JsonValue, { path, operator, value }: Extract<Step, { kind: 'where' }>): boolean {
  const found = path.reduce<JsonValue[]>((values, step) => values.flatMap(one => apply(one, step)), [item])
  const [first] = found
  if (operator === 'exists') return found.length > 0
  if (first === undefined || first === null || value === null) return false
  switch (operator) {
    case '==':
      return first === value
    case '!=':
      return first !== value
    case '<':
      return first < value
    case '<=':
      return first <= value
    case '>':
      return first > value
    default:
      return first >= value
  }
}
