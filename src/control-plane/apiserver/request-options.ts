import { decodeObject } from '../../api/decode-object.js'
import { type FieldProblem, forbidden, invalid, notSupported, required } from '../../api/field-problem.js'
import type { DeleteOptions } from '../../api/generated/types.js'
import { isJsonObject } from '../../api/json.js'
import { badRequest, invalidObject } from '../../api/status.js'
import type { ApiServerRequest } from './authentication.js'
import { mediaTypeOf, parseBody, readBody } from './request-body.js'
import { booleanParameter, numberParameter } from './request-target.js'

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

const kinds: Readonly<Record<string, string>> = {
  POST: 'CreateOptions',
  PUT: 'UpdateOptions',
  PATCH: 'PatchOptions',
  DELETE: 'DeleteOptions',
}
const validations: readonly string[] = ['Ignore', 'Strict', 'Warn']
const longestManager = 128

/** What is wrong with the options of a request, as upstream refuses it: of a kind of their own for each verb. */
const refused = (method: string | undefined, ...problems: readonly FieldProblem[]) =>
  invalidObject({ group: 'meta.k8s.io', resource: '', kind: kinds[method ?? ''] ?? 'CreateOptions' }, '', problems)

/** How unknown and duplicate fields of a body are met. Throws 422. */
export function fieldValidation({ method }: ApiServerRequest, query: URLSearchParams): FieldValidation {
  const text = query.get('fieldValidation') || 'Warn'
  if (!validations.includes(text)) throw refused(method, notSupported('fieldValidation', text, validations))
  return text as FieldValidation
}

/** Who writes: as the request says, else the program that its User-Agent names. Throws 422. */
export function managerOf({ method, headers }: ApiServerRequest, query: URLSearchParams): string {
  const given = query.get('fieldManager')
  if (given) {
    const problems: FieldProblem[] = []
    if (given.length > longestManager) problems.push(invalid('fieldManager', given, `may not be more than ${longestManager} bytes`))
    if (!/^[\x20-\x7e]*$/.test(given)) problems.push(invalid('fieldManager', given, 'should only contain printable characters'))
    if (problems.length > 0) throw refused(method, ...problems)
    return given
  }
  const agent = (headers['user-agent'] ?? '').split('/')[0]!.replace(/[^\x20-\x7e]/g, '')
  return agent.slice(0, longestManager) || 'unknown'
}

/** Who applies, and whether against others. Throws 422 where nobody is named. */
export function applyOptions(request: ApiServerRequest, query: URLSearchParams): { readonly manager: string; readonly force: boolean } {
  if (!query.get('fieldManager')) throw refused(request.method, required('fieldManager', 'is required for apply patch'))
  return { manager: managerOf(request, query), force: booleanParameter(query, 'force') }
}

/** Throws 422 for what only an apply may ask for. */
export function refuseForce({ method }: ApiServerRequest, query: URLSearchParams): void {
  if (query.has('force')) throw refused(method, forbidden('force', 'may not be specified for non-apply patch'))
}

/** True for `All`; any other value is refused with 422. */
export function isDryRun({ method }: ApiServerRequest, values: readonly string[]): boolean {
  if (values.some(value => value !== 'All')) throw refused(method, notSupported('dryRun', values, ['All']))
  return values.length > 0
}

/** What a DELETE asks for, in its body or in its query; the body wins. Throws 422 for what does not go together. */
export async function deleteOptions(request: ApiServerRequest, query: URLSearchParams): Promise<DeleteOptions> {
  const bytes = await readBody(request)
  const fromQuery: Record<string, unknown> = {}
  const grace = numberParameter(query, 'gracePeriodSeconds')
  if (grace !== undefined) fromQuery.gracePeriodSeconds = grace
  if (query.has('propagationPolicy')) fromQuery.propagationPolicy = query.get('propagationPolicy')
  if (query.has('orphanDependents')) fromQuery.orphanDependents = booleanParameter(query, 'orphanDependents')
  if (query.has('dryRun')) fromQuery.dryRun = query.getAll('dryRun')
  if (bytes.length === 0) return checkedOptions(fromQuery)
  const { value } = parseBody(bytes, mediaTypeOf(request))
  if (!isJsonObject(value)) throw badRequest('the body of a DELETE must be DeleteOptions')
  const { object, problem } = decodeObject(value, 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions')
  if (problem !== undefined) throw badRequest(`DeleteOptions cannot be handled: ${problem}`)
  return checkedOptions({ ...fromQuery, ...object })
}

function checkedOptions(options: DeleteOptions): DeleteOptions {
  const { propagationPolicy: policy, gracePeriodSeconds: grace, orphanDependents } = options
  const policies = ['Background', 'Foreground', 'Orphan']
  const problems: FieldProblem[] = []
  if (policy !== undefined && !policies.includes(policy)) problems.push(notSupported('propagationPolicy', policy, policies))
  if (policy !== undefined && orphanDependents !== undefined) {
    problems.push(invalid('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set'))
  }
  if (problems.length > 0) throw refused('DELETE', ...problems)
  // As upstream reads it.
  return grace !== undefined && grace < 0 ? { ...options, gracePeriodSeconds: 1 } : options
}
