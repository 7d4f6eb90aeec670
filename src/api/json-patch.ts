import { applyPatch, type Operation } from 'rfc6902'
import { isJsonObject, type JsonValue } from './json.js'
import { badRequest, refusal } from './status.js'

const operations = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test'])

/** Applies a JSON patch (RFC 6902) to a copy of `document`. Errors: 400 for what is no patch, 422 for one that does not fit. */
export function applyJsonPatch(document: JsonValue, patch: JsonValue): JsonValue {
  const root = { document: structuredClone(document) }
  for (const operation of parsePatch(patch)) {
    const [problem] = applyPatch(root.document, [operation])
    if (problem) {
      const message = `the server rejected our request due to an error in our request: ${operation.op} ${operation.path}: ${problem.message}`
      throw refusal({ http: 422, reason: 'Invalid', message }, problem)
    }
  }
  return root.document
}

function parsePatch(patch: JsonValue): readonly Operation[] {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch is a list of operations')
  return patch.map((entry, i) => {
    if (!isJsonObject(entry) || !operations.has(String(entry.op))) throw badRequest(`operation ${i} of the JSON patch has no known op`)
    const { op, path, from } = entry
    if (!isPointer(path)) throw badRequest(`operation ${i} of the JSON patch: path must be a JSON pointer`)
    if (path === '' && op !== 'test') throw badRequest(`operation ${i} of the JSON patch: the whole object cannot be replaced`)
    if ((op === 'move' || op === 'copy') && !isPointer(from)) {
      throw badRequest(`operation ${i} of the JSON patch: from must be a JSON pointer`)
    }
    if ((op === 'add' || op === 'replace' || op === 'test') && !('value' in entry)) {
      throw badRequest(`operation ${i} of the JSON patch: ${op} needs a value`)
    }
    return entry as unknown as Operation
  })
}

const isPointer = (value: JsonValue | undefined): value is string => typeof value === 'string' && (value === '' || value.startsWith('/'))
