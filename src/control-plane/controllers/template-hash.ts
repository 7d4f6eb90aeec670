import { createHash } from 'node:crypto'
import type { PodTemplateSpec } from '../../api/generated/types.js'
import { isJsonObject, jsonEqual } from '../../api/json.js'

/** Tells the ReplicaSets of a Deployment apart, and their Pods. */
export const hashLabel = 'pod-template-hash'

/** Letters and digits that make no words, as upstream's names have. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789'

/** Ten characters that stand for a template; `collisionCount` gives another try when a name is taken. Key order does not count. */
export function templateHash(template: PodTemplateSpec, collisionCount: number): string {
  const digest = createHash('sha256').update(canonicalJson(template)).update(`/${collisionCount}`).digest()
  return [...digest.subarray(0, 10)].map(byte => alphabet[byte % alphabet.length]).join('')
}

/** True for templates that differ in nothing but the hash label. */
export const isSameTemplate = (a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean =>
  jsonEqual(withoutHash(a), withoutHash(b))

function withoutHash(template: PodTemplateSpec | undefined): unknown {
  if (template?.metadata?.labels?.[hashLabel] === undefined) return template
  const { [hashLabel]: _, ...labels } = template.metadata.labels
  return { ...template, metadata: { ...template.metadata, labels } }
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (!isJsonObject(value)) return JSON.stringify(value) ?? 'null'
  const keys = Object.keys(value).filter(key => value[key] !== undefined)
  return `{${keys
    .sort()
    .map(key => `${JSON.stringify(key)}:${canonicalJson(value[key])}`)
    .join(',')}}`
}
