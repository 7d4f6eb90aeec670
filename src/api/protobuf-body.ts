import type { JsonObject, JsonValue } from './json.js'
import { apiFacts, type FieldSchema, type TypeSchema, typeSchema } from './schema.js'
import { badRequest } from './status.js'

/** The four bytes that open every protobuf body of Kubernetes; a runtime.Unknown follows. */
const magic = Buffer.from('k8s\0')

/**
 * Fields whose zero is a value: Go holds them by pointer, so their presence means that the writer set them. Zeros of all other
 * fields arrive whether set or not and are left out, as `omitempty` would.
 */
const pointerFields = new Set([
  'activeDeadlineSeconds',
  'allowPrivilegeEscalation',
  'automountServiceAccountToken',
  'controller',
  'blockOwnerDeletion',
  'defaultMode',
  'enableServiceLinks',
  'expirationSeconds',
  'gracePeriodSeconds',
  'immutable',
  'mode',
  'optional',
  'orphanDependents',
  'privileged',
  'progressDeadlineSeconds',
  'readOnlyRootFilesystem',
  'replicas',
  'revisionHistoryLimit',
  'runAsGroup',
  'runAsNonRoot',
  'runAsUser',
  'shareProcessNamespace',
  'terminationGracePeriodSeconds',
  'tolerationSeconds',
])

/** Decodes a body of `application/vnd.kubernetes.protobuf` by the tags in the facts. Throws 400 for anything malformed. */
export function decodeProtobufBody(bytes: Buffer): JsonObject {
  if (!bytes.subarray(0, 4).equals(magic)) throw badRequest('the body of the request does not start as Kubernetes protobuf must')
  const envelope = fieldsOf(bytes.subarray(4))
  const meta = fieldsOf(bytesOf(last(envelope, 1)) ?? Buffer.alloc(0))
  const apiVersion = bytesOf(last(meta, 1))?.toString() ?? ''
  const kind = bytesOf(last(meta, 2))?.toString() ?? ''
  const found = typeOfKind(apiVersion, kind)
  if (!found) throw badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`)
  return { apiVersion, kind, ...decodeMessage(bytesOf(last(envelope, 2)) ?? Buffer.alloc(0), found, 0) }
}

function typeOfKind(apiVersion: string, kind: string): TypeSchema | undefined {
  const [version = '', group = ''] = apiVersion.split('/').reverse()
  const types = Object.entries(apiFacts.types)
  const own = types.find(([, { gvk }]) => gvk?.[0] === group && gvk[1] === version && gvk[2] === kind)
  return (own ?? types.find(([path]) => kind === 'DeleteOptions' && path.endsWith('.meta.v1.DeleteOptions')))?.[1]
}

interface WireField {
  readonly tag: number
  readonly wire: number
  /** Numbers for varint and fixed, bytes for what has a length. */
  readonly value: bigint | Buffer
}

/** Splits a message into its fields, in their order. */
function fieldsOf(bytes: Buffer): WireField[] {
  const fields: WireField[] = []
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw badRequest('unexpected end of the protobuf body')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw badRequest('a number in the protobuf body is too long')
  }
  const take = (length: number): Buffer => {
    if (length < 0 || at + length > bytes.length) throw badRequest('unexpected end of the protobuf body')
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const header = Number(varint())
    const tag = Math.floor(header / 8)
    const wire = header % 8
    if (wire === 0) fields.push({ tag, wire, value: varint() })
    else if (wire === 1) fields.push({ tag, wire, value: take(8) })
    else if (wire === 2) fields.push({ tag, wire, value: take(Number(varint())) })
    else if (wire === 5) fields.push({ tag, wire, value: take(4) })
    else throw badRequest(`the protobuf body has a field of the unknown wire type ${wire}`)
  }
  return fields
}

const last = (fields: readonly WireField[], tag: number): WireField | undefined => fields.filter(field => field.tag === tag).at(-1)

function bytesOf(field: WireField | undefined): Buffer | undefined {
  if (field === undefined || typeof field.value !== 'bigint') return field?.value as Buffer | undefined
  throw badRequest(`field ${field.tag} of the protobuf body must have a length`)
}

function signed(field: WireField): number {
  if (typeof field.value !== 'bigint') throw badRequest(`field ${field.tag} of the protobuf body must be a number`)
  return Number(BigInt.asIntN(64, field.value))
}

const deepest = 64

function decodeMessage(bytes: Buffer, type: TypeSchema, depth: number): JsonObject {
  if (depth > deepest) throw badRequest('the protobuf body is nested too deeply')
  const result: JsonObject = {}
  decodeInto(result, bytes, tagsOf(type), type, depth)
  return result
}

type Tag = { readonly name: string; readonly field: FieldSchema } | { readonly inline: ReadonlyMap<number, Tag> }

/** A message's numbers. What Go inlines is a message of its own in protobuf, while JSON has its fields in the parent. */
function tagsOf({ fields = {}, proto = '' }: TypeSchema): ReadonlyMap<number, Tag> {
  const inlineTags = (message: string): ReadonlyMap<number, Tag> => {
    const own = Object.entries(apiFacts.protoMessages[message] ?? {}).flatMap(([name, { tag }]): [number, Tag][] =>
      fields[name] ? [[tag, { name, field: fields[name] }]] : [],
    )
    const nested = Object.values(apiFacts.protoInline[message] ?? {}).map(({ tag, message }): [number, Tag] => [
      tag,
      { inline: inlineTags(message) },
    ])
    return new Map([...own, ...nested])
  }
  const own = Object.entries(fields).flatMap(([name, field]): [number, Tag][] =>
    field.tag === undefined ? [] : [[field.tag, { name, field }]],
  )
  const inline = Object.values(apiFacts.protoInline[proto] ?? {}).map(({ tag, message }): [number, Tag] => [
    tag,
    { inline: inlineTags(message) },
  ])
  return new Map([...own, ...inline])
}

function decodeInto(result: JsonObject, bytes: Buffer, tags: ReadonlyMap<number, Tag>, type: TypeSchema, depth: number): void {
  for (const field of fieldsOf(bytes)) {
    const known = tags.get(field.tag)
    if (!known) continue
    if ('inline' in known) {
      decodeInto(result, bytesOf(field)!, known.inline, type, depth + 1)
      continue
    }
    const { name, field: schema } = known
    if (schema.type === 'array') {
      const list = (result[name] ?? []) as JsonValue[]
      result[name] = list
      const item = schema.items ?? {}
      // Numbers may come packed: many in one field.
      if (field.wire === 2 && (item.type === 'integer' || item.type === 'boolean')) list.push(...unpacked(field))
      else list.push(decodeValue(field, item, depth) ?? '')
    } else if (schema.type === 'map') {
      const entry = fieldsOf(bytesOf(field)!)
      const key = bytesOf(last(entry, 1))?.toString() ?? ''
      const value = last(entry, 2)
      const map = (result[name] ?? {}) as JsonObject
      result[name] = map
      const decoded = value ? decodeValue(value, schema.values ?? {}, depth) : ''
      Object.defineProperty(map, key, { value: decoded ?? '', enumerable: true, writable: true, configurable: true })
    } else {
      const value = decodeValue(field, schema, depth)
      if (value !== undefined && (!isZero(value) || pointerFields.has(name) || type.required?.includes(name))) result[name] = value
    }
  }
}

const isZero = (value: JsonValue): boolean =>
  value === '' || value === 0 || value === false || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)

function unpacked(field: WireField): number[] {
  const bytes = bytesOf(field)!
  const numbers: number[] = []
  let value = 0n
  let shift = 0n
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift
    shift += 7n
    if (byte >= 0x80) continue
    numbers.push(Number(BigInt.asIntN(64, value)))
    value = 0n
    shift = 0n
  }
  return numbers
}

/** One value; undefined for one that JSON would not have. */
function decodeValue(field: WireField, schema: FieldSchema, depth: number): JsonValue | undefined {
  if (schema.ref !== undefined) return decodeNamed(field, schema.ref, depth)
  switch (schema.type) {
    case 'integer':
      return schema.format === 'int32' ? signed(field) | 0 : signed(field)
    case 'boolean':
      return signed(field) !== 0
    case 'number':
      return bytesOf(field)!.length === 8 ? bytesOf(field)!.readDoubleLE() : bytesOf(field)!.readFloatLE()
    case 'string':
      return schema.format === 'byte' ? bytesOf(field)!.toString('base64') : bytesOf(field)!.toString()
    case 'array':
    case 'map':
      // A list inside a map, as `extra` of users: a message that holds the list as its field 1.
      return fieldsOf(bytesOf(field)!).flatMap(item => decodeValue(item, schema.items ?? {}, depth) ?? [])
    default:
      return undefined
  }
}

function decodeNamed(field: WireField, path: string, depth: number): JsonValue | undefined {
  const short = path.slice(path.lastIndexOf('.') + 1)
  const bytes = bytesOf(field)!
  switch (short) {
    case 'Time':
    case 'MicroTime': {
      const parts = fieldsOf(bytes)
      const seconds = last(parts, 1)
      const nanos = last(parts, 2)
      if (!seconds && !nanos) return undefined
      const ms = (seconds ? signed(seconds) : 0) * 1000
      if (Math.abs(ms) > 8.64e15) throw badRequest('a time in the protobuf body is out of range')
      const text = new Date(ms).toISOString().slice(0, 19)
      return short === 'Time' ? `${text}Z` : `${text}.${String(Math.floor((nanos ? signed(nanos) : 0) / 1000)).padStart(6, '0')}Z`
    }
    case 'Quantity':
      return bytesOf(last(fieldsOf(bytes), 1))?.toString() ?? '0'
    case 'IntOrString': {
      const parts = fieldsOf(bytes)
      const kind = last(parts, 1)
      const number = last(parts, 2)
      return kind && signed(kind) === 1 ? (bytesOf(last(parts, 3))?.toString() ?? '') : number ? signed(number) | 0 : 0
    }
    case 'FieldsV1':
    case 'RawExtension': {
      const raw = bytesOf(last(fieldsOf(bytes), 1))?.toString()
      if (raw === undefined) return undefined
      try {
        return JSON.parse(raw) as JsonValue
      } catch (error) {
        throw badRequest(`the ${short} of the protobuf body holds no JSON`, error)
      }
    }
    default: {
      const type = typeSchema(path)
      return type?.fields ? decodeMessage(bytes, type, depth + 1) : undefined
    }
  }
}
