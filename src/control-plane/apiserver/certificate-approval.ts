import { invalid } from '../../api/field-problem.js'
import { certificatesigningrequests } from '../../api/generated/resources.js'
import type { CertificateSigningRequest } from '../../api/generated/types.js'
import type { Draft, JsonObject } from '../../api/json.js'
import type { KubeObject } from '../../api/resource-type.js'
import { invalidObject } from '../../api/status.js'
import { timeText } from '../../api/time-text.js'
import type { WritableObject } from './object-writer.js'

const decisions = ['Approved', 'Denied']

/** The request for a certificate with what its approver decided; nothing else changes. Throws 422 for what takes a decision back. */
export function withApproval(current: KubeObject, wanted: JsonObject): WritableObject {
  const after = structuredClone(current) as Draft<CertificateSigningRequest>
  const { status, metadata = {} } = wanted as unknown as CertificateSigningRequest
  const given = (status?.conditions ?? []).filter(({ type }) => decisions.includes(type))
  const before = (after.status?.conditions ?? []).filter(({ type }) => decisions.includes(type))
  const refuse = (detail: string): Error =>
    invalidObject(certificatesigningrequests, current.metadata?.name ?? '', [invalid('status.conditions', given, detail)])
  if (new Set(given.map(({ type }) => type)).size > 1) throw refuse('Approved and Denied conditions are mutually exclusive')
  if (before.some(old => !given.some(({ type, status: value }) => type === old.type && value === old.status))) {
    throw refuse('updates may not remove a condition of type "Approved" or "Denied"')
  }
  const now = timeText(Date.now())
  const others = (after.status?.conditions ?? []).filter(({ type }) => !decisions.includes(type))
  const decided = given.map(condition => ({ lastUpdateTime: now, lastTransitionTime: now, ...condition }))
  after.status = { ...after.status, conditions: [...others, ...decided] }
  if (after.metadata && metadata.resourceVersion) after.metadata.resourceVersion = metadata.resourceVersion
  else if (after.metadata) delete after.metadata.resourceVersion
  return after as unknown as WritableObject
}
