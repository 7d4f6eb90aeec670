import type { Logger } from 'pino'

import { customResourceTypes } from '../../api/custom/custom-resource-types.js'
import { definitionStatus } from '../../api/custom/definition-status.js'
import { cleanupFinalizer, servesAlike } from '../../api/custom/definition-strategy.js'
import { byVersionPriority } from '../../api/custom/version-priority.js'
import type { CustomResourceDefinition } from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import type { ResourceType } from '../../api/resource-type.js'
import { timeText } from '../../api/time-text.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { ObjectCache } from './object-cache.js'
import { collectionPrefix, type StoredObject } from './object-codec.js'
import type { ObjectWriter, WritableObject } from './object-writer.js'

/** Every resource that is served now: the built-in ones, and those of the CustomResourceDefinitions. */
export interface CustomResources {
  /** The rows in the order of discovery; the same array until something changes. */
  table(): readonly ResourceType[]
  /** Aborts when `resource` is no longer served. */
  ended(resource: ResourceType): AbortSignal | undefined
}

interface Parts {
  readonly cache: ObjectCache
  readonly writer: ObjectWriter
  readonly builtIn: readonly ResourceType[]
  readonly definitions: ResourceType
  readonly log: Pick<Logger, 'warn'>
}

interface Served {
  readonly definition: CustomResourceDefinition
  readonly rows: readonly ResourceType[]
  readonly end: AbortController
}

/**
 * Serves what definitions describe, from the moment they are established, until `signal` aborts. Accepts their names, and empties those
 * that are being deleted. Several servers over one store come to the same.
 */
export function startCustomResources({ cache, writer, builtIn, definitions, log }: Parts, signal: AbortSignal): CustomResources {
  const collection = cache.collection(definitions)
  const served = new Map<string, Served>()
  const emptied = new Map<string, () => void>()
  let rows: readonly ResourceType[] = builtIn

  const all = (): CustomResourceDefinition[] =>
    collection.list(collectionPrefix(definitions)).map(({ object }) => object as CustomResourceDefinition)

  function serve(key: string, definition: CustomResourceDefinition | undefined): void {
    const before = served.get(key)
    if (before && definition && servesAlike(before.definition, definition)) return
    const next = definition && { definition, rows: customResourceTypes(definition), end: new AbortController() }
    if (next) served.set(key, next)
    else served.delete(key)
    rows = [...builtIn, ...[...served.values()].flatMap(one => one.rows).sort(inDiscovery)]
    before?.end.abort()
  }

  /** One definition as it should be; whatever another writer does meanwhile brings the next event. */
  async function settle(name: string): Promise<void> {
    const definition = all().find(({ metadata }) => metadata?.name === name)
    if (!definition) return
    const status = definitionStatus(definition, all(), timeText(Date.now()))
    if (!jsonEqual(status, definition.status ?? {})) {
      const change = (current: object): WritableObject => {
        const draft = structuredClone(current) as CustomResourceDefinition
        return { ...draft, status: definitionStatus(draft, all(), timeText(Date.now())) } as unknown as WritableObject
      }
      await writer.update({ resource: definitions, at: { name }, subresource: 'status', dryRun: false, change })
    }
    if (definition.metadata?.deletionTimestamp !== undefined) await empty(name, definition)
  }

  /** Deletes the objects of a definition; when none is left, lets the definition go. */
  async function empty(name: string, { spec, metadata }: CustomResourceDefinition): Promise<void> {
    if (!metadata?.finalizers?.includes(cleanupFinalizer)) return
    const { group, names, scope } = spec
    const resource = { ...definitions, group, resource: names.plural, kind: names.kind, namespaced: scope === 'Namespaced' }
    const row = rows.find(other => other.group === group && other.resource === names.plural) ?? resource
    const objects = cache.collection(row)
    // Finalizers may hold objects: the last one to go ends the wait.
    if (!emptied.has(name))
      emptied.set(
        name,
        objects.subscribe(cache.revision, () => wake(name)),
      )
    const left = objects.list(collectionPrefix(row))
    for (const { object } of left) await remove(row, object.metadata)
    if (objects.list(collectionPrefix(row)).length > 0) return
    emptied.get(name)?.()
    emptied.delete(name)
    const change = (current: object): WritableObject => {
      const draft = structuredClone(current) as WritableObject
      const finalizers = (draft.metadata.finalizers ?? []).filter(one => one !== cleanupFinalizer)
      draft.metadata.finalizers = finalizers
      if (finalizers.length === 0) delete draft.metadata.finalizers
      delete draft.metadata.resourceVersion
      return draft
    }
    await writer.update({ resource: definitions, at: { name }, dryRun: false, change })
  }

  async function remove(
    resource: ResourceType,
    { namespace, name = '', deletionTimestamp }: StoredObject['object']['metadata'],
  ): Promise<void> {
    if (deletionTimestamp !== undefined) return
    await writer.delete({ resource, at: { namespace, name }, options: {}, dryRun: false }).catch(ignoreNotFound)
  }

  const waiting = new Set<string>()
  let isBusy = false
  function wake(name: string): void {
    waiting.add(name)
    if (!isBusy) void work()
  }
  async function work(): Promise<void> {
    isBusy = true
    for (const name of waiting) {
      if (signal.aborted) break
      waiting.delete(name)
      await settle(name).catch((error: unknown) => {
        if (!isPodwireError(error, 'NOT_FOUND') && !signal.aborted)
          log.warn({ err: error, definition: name }, 'a definition could not be settled')
      })
    }
    isBusy = false
  }

  for (const definition of all()) serve(definition.metadata?.name ?? '', definition)
  const stop = collection.subscribe(cache.revision, ({ current, previous }) => {
    const { name = '' } = (current ?? previous)!.object.metadata
    serve(name, current?.object as CustomResourceDefinition | undefined)
    // Names that one gives up may be what another waits for.
    for (const { metadata } of all()) wake(metadata?.name ?? '')
  })
  for (const { metadata } of all()) wake(metadata?.name ?? '')
  signal.addEventListener('abort', () => {
    stop()
    for (const end of emptied.values()) end()
  })

  return {
    table: () => rows,
    ended: resource => (resource.custom ? [...served.values()].find(one => one.rows.includes(resource))?.end.signal : undefined),
  }
}

const inDiscovery = (a: ResourceType, b: ResourceType): number =>
  a.group === b.group ? byVersionPriority(a.version, b.version) : a.group < b.group ? -1 : 1

function ignoreNotFound(error: unknown): void {
  if (!isPodwireError(error, 'NOT_FOUND')) throw error
}
