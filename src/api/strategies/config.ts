import { duplicate, type FieldProblem, forbidden, invalidAll, tooLong } from '../field-problem.js'
import type { ConfigMap, Secret, ServiceAccount } from '../generated/types.js'
import { jsonEqual } from '../json.js'
import { checkConfigMapKey } from '../name-format.js'
import type { Strategy } from '../resource-type.js'
import { validateImmutable } from '../validate-meta.js'
import { plainStrategy } from './plain-strategy.js'

const largestData = 1024 * 1024

export const configMapStrategy: Strategy<ConfigMap> = {
  ...plainStrategy,
  validate({ data = {}, binaryData = {} }) {
    const problems = [...validateKeys(data, 'data'), ...validateKeys(binaryData, 'binaryData')]
    for (const key of Object.keys(data)) if (Object.hasOwn(binaryData, key)) problems.push(duplicate(`data[${key}]`, key))
    return [...problems, ...validateSize([...Object.values(data), ...Object.values(binaryData)], '')]
  },
  validateUpdate(map, previous) {
    if (!previous.immutable) return []
    return [
      ...(map.immutable ? [] : [forbidden('immutable', 'field is immutable when `immutable` is set')]),
      ...(['data', 'binaryData'] as const).flatMap(field => frozen(map[field], previous[field], field)),
    ]
  },
}

export const secretStrategy: Strategy<Secret> = {
  ...plainStrategy,
  setDefaults(secret) {
    secret.type ||= 'Opaque'
    if (!secret.stringData) return
    // stringData is for writing only.
    secret.data ??= {}
    for (const [key, value] of Object.entries(secret.stringData)) secret.data[key] = Buffer.from(value).toString('base64')
    delete secret.stringData
  },
  validate({ data = {} }) {
    return [...validateKeys(data, 'data'), ...validateSize(Object.values(data), 'data')]
  },
  validateUpdate(secret, previous) {
    const problems = validateImmutable(secret.type, previous.type, 'type')
    if (!previous.immutable) return problems
    if (!secret.immutable) problems.push(forbidden('immutable', 'field is immutable when `immutable` is set'))
    return [...problems, ...frozen(secret.data, previous.data, 'data')]
  },
  selectableFields: ({ type }) => ({ type: type ?? '' }),
}

export const serviceAccountStrategy: Strategy<ServiceAccount> = {
  ...plainStrategy,
  // Upstream takes secrets apart from this list; nobody may plant one at creation.
  prepareCreate(account) {
    delete account.secrets
  },
}

const validateKeys = (data: Readonly<Record<string, string>>, field: string): FieldProblem[] =>
  Object.keys(data).flatMap(key => invalidAll(`${field}[${key}]`, key, checkConfigMapKey(key)))

const validateSize = (values: readonly string[], field: string): FieldProblem[] =>
  values.reduce((sum, value) => sum + Buffer.byteLength(value), 0) > largestData ? [tooLong(field, largestData)] : []

const frozen = (value: unknown, previous: unknown, field: string): FieldProblem[] =>
  jsonEqual(value ?? {}, previous ?? {}) ? [] : [forbidden(field, 'field is immutable when `immutable` is set')]
