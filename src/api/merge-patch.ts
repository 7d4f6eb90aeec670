import { isJsonObject, type JsonObject, type JsonValue } from './json.js'

/** Applies a JSON merge patch (RFC 7386): null removes, objects merge, all else replaces. The arguments stay as they are. */
export function applyMergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return structuredClone(patch)
  const merged: JsonObject = isJsonObject(target) ? structuredClone(target) : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else setOwn(merged, key, applyMergePatch(Object.hasOwn(merged, key) ? merged[key] : undefined, value))
  }
  return merged
}

/** Plain assignment to `__proto__` would change the object's prototype instead of adding a key. */
function setOwn(object: JsonObject, key: string, value: JsonValue): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}
