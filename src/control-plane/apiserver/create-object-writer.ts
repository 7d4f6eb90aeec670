import { applyObject } from './apply-object.js'
import { createObject } from './create-object.js'
import { deleteObject } from './delete-object.js'
import type { ObjectWriter } from './object-writer.js'
import { updateObject } from './update-object.js'
import { createWriteContext, type WriteParts } from './write-context.js'

/** Every verb that writes, over one store. */
export function createObjectWriter(parts: WriteParts): ObjectWriter {
  const context = createWriteContext(parts)
  return {
    create: (resource, object, options) => createObject(context, { resource, object, ...options }),
    update: request => updateObject(context, request),
    apply: request => applyObject(context, request),
    delete: request => deleteObject(context, request),
  }
}
