import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

import { deployments, pods } from '../api/generated/resources.js'
import type { Deployment, Pod } from '../api/generated/types.js'
import { applyObjects } from '../client/apply.js'
import type { ApiObject, Client } from '../client/client.js'
import { type ManifestObject, parseManifests } from '../client/manifests.js'
import { waitFor } from '../client/wait-for.js'
import type { FlowDocument } from './parse-flow-file.js'

const readyTimeoutMs = 60_000

/** Applies the manifests that the tests name, each once, and waits for what is in them. */
export const applyGiven = (documents: readonly FlowDocument[], client: Client, signal: AbortSignal): Promise<void> =>
  applyManifestFiles(
    documents.flatMap(({ file, test }) => test.spec.given.map(path => resolve(dirname(file), path))),
    client,
    signal,
  )

/** Applies manifests, each once, and waits until their Deployments are available and their Pods ready. */
export async function applyManifestFiles(files: readonly string[], client: Client, signal: AbortSignal): Promise<void> {
  const objects: ManifestObject[] = []
  for (const file of new Set(files)) objects.push(...parseManifests(await readFile(file, 'utf8'), file))
  await applyObjects(client, objects, signal)
  const namespaceOf = ({ object }: ManifestObject): string => object.metadata?.namespace ?? 'default'
  for (const namespace of new Set(objects.map(namespaceOf))) {
    const inside = objects.filter(object => namespaceOf(object) === namespace)
    const namesOf = (kind: string): readonly string[] =>
      inside.flatMap(({ object }) => (object.kind === kind ? [object.metadata?.name ?? ''] : []))
    await waitForAll<Deployment>(client, { resource: deployments, namespace, names: namesOf('Deployment'), isReady: isAvailable }, signal)
    await waitForAll<Pod>(client, { resource: pods, namespace, names: namesOf('Pod'), isReady: isPodReady }, signal)
  }
}

interface Awaited<T> {
  readonly resource: Parameters<typeof waitFor<T & ApiObject>>[1]['resource']
  readonly namespace: string
  readonly names: readonly string[]
  readonly isReady: (object: T) => boolean
}

async function waitForAll<T extends ApiObject>(
  client: Client,
  { resource, namespace, names, isReady }: Awaited<T>,
  signal: AbortSignal,
): Promise<void> {
  if (names.length === 0) return
  const lacking = (objects: readonly T[]): readonly string[] => {
    const ready = new Set(objects.filter(isReady).map(({ metadata }) => metadata?.name))
    return names.filter(name => !ready.has(name))
  }
  const what = `${names.length} ${resource.resource} of namespace ${namespace} to be ready`
  const describe = (objects: readonly T[]): string => `not ready: ${lacking(objects).join(', ')}`
  await waitFor<T>(
    client,
    { resource, namespace },
    objects => lacking(objects).length === 0,
    { what, timeoutMs: readyTimeoutMs, describe },
    signal,
  )
}

/** The status counts only when it was written for the present spec. */
function isAvailable({ metadata, spec, status }: Deployment): boolean {
  const wanted = spec?.replicas ?? 1
  const isObserved = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0)
  return isObserved && (status?.availableReplicas ?? 0) >= wanted && (status?.updatedReplicas ?? 0) >= wanted
}

const isPodReady = ({ status }: Pod): boolean =>
  (status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True')
