import { configmaps, secrets } from '../../api/generated/resources.js'
import type { ConfigMap, KeyToPath, Pod, Secret, Volume, VolumeProjection } from '../../api/generated/types.js'
import type { FileContent, FileTree } from './atomic-files.js'
import { ContainerConfigError } from './container-config-error.js'
import { type FieldContext, fieldValue, resourceFieldValue } from './field-value.js'
import type { Reference, ReferencedObjects } from './referenced-objects.js'
import type { ServiceAccountTokens } from './service-account-tokens.js'

export interface VolumeFilesInput extends FieldContext {
  readonly objects: Pick<ReferencedObjects, 'read'>
  readonly tokens: Pick<ServiceAccountTokens, 'token'>
}

const defaultFileMode = 0o644

/** The volumes whose files come from the API; all others are folders. */
export const isFileVolume = (volume: Volume): boolean =>
  volume.configMap !== undefined || volume.secret !== undefined || volume.downwardAPI !== undefined || volume.projected !== undefined

/**
 * The files of a configMap, secret, downwardAPI or projected volume as the API says now.
 * Errors: ContainerConfigError for a missing object or key that is not optional.
 */
export async function readVolumeFiles(volume: Volume, input: VolumeFilesInput, signal: AbortSignal): Promise<FileTree> {
  const { configMap, secret, downwardAPI, projected } = volume
  const defaultMode = (configMap ?? secret ?? downwardAPI ?? projected)?.defaultMode ?? defaultFileMode
  const sources: readonly VolumeProjection[] = projected
    ? (projected.sources ?? [])
    : [
        {
          ...(configMap ? { configMap } : {}),
          ...(secret ? { secret: { ...secret, name: secret.secretName ?? '' } } : {}),
          ...(downwardAPI ? { downwardAPI } : {}),
        },
      ]
  const trees = await Promise.all(sources.map(source => readSource(source, defaultMode, input, signal)))
  return new Map(trees.flatMap(tree => [...tree]))
}

async function readSource(source: VolumeProjection, mode: number, input: VolumeFilesInput, signal: AbortSignal): Promise<FileTree> {
  const { pod, objects, tokens } = input
  const at = (name: string | undefined) => ({ namespace: namespaceOf(pod), name: name ?? '', podUid: pod.metadata?.uid ?? '' })
  if (source.configMap) {
    const { name, items, optional } = source.configMap
    const reference: Reference<ConfigMap> = { resource: configmaps, ...at(name) }
    return selectKeys(await objects.read(reference, signal), configMapBytes, { what: `configmap "${name}"`, items, optional, mode })
  }
  if (source.secret) {
    const { name, items, optional } = source.secret
    const reference: Reference<Secret> = { resource: secrets, ...at(name) }
    return selectKeys(await objects.read(reference, signal), secretBytes, { what: `secret "${name}"`, items, optional, mode })
  }
  if (source.downwardAPI) return downwardFiles(source.downwardAPI.items ?? [], mode, input)
  if (source.serviceAccountToken) {
    const { audience, expirationSeconds, path } = source.serviceAccountToken
    const token = await tokens.token(pod, { audience, expirationSeconds }, signal)
    return new Map([[path, { bytes: Buffer.from(token), mode: tokenMode(pod, mode) }]])
  }
  throw new ContainerConfigError('a projected volume has a source of an unsupported kind')
}

const namespaceOf = (pod: Pod): string => pod.metadata?.namespace ?? ''

/** A token is for the Pod's user alone where there is one; otherwise any user in the Pod may read it. */
const tokenMode = (pod: Pod, mode: number): number => (pod.spec?.securityContext?.fsGroup === undefined ? mode : 0o600)

interface Selection {
  readonly what: string
  readonly items: readonly KeyToPath[] | undefined
  readonly optional: boolean | undefined
  readonly mode: number
}

function selectKeys<T>(object: T | undefined, bytesOf: (object: T) => ReadonlyMap<string, Buffer>, selection: Selection): FileTree {
  const { what, items, optional = false, mode } = selection
  if (object === undefined) {
    if (optional) return new Map()
    throw new ContainerConfigError(`${what} not found`)
  }
  const all = bytesOf(object)
  if (items === undefined) return new Map([...all].map(([key, bytes]) => [key, { bytes, mode }]))
  const files = new Map<string, FileContent>()
  for (const item of items) {
    const bytes = all.get(item.key)
    if (bytes) files.set(item.path, { bytes, mode: item.mode ?? mode })
    else if (!optional) throw new ContainerConfigError(`${what} references non-existent key: ${item.key}`)
  }
  return files
}

const configMapBytes = ({ data = {}, binaryData = {} }: ConfigMap): ReadonlyMap<string, Buffer> =>
  new Map([
    ...Object.entries(data).map(([key, text]) => [key, Buffer.from(text)] as const),
    ...Object.entries(binaryData).map(([key, base64]) => [key, Buffer.from(base64, 'base64')] as const),
  ])

const secretBytes = ({ data = {} }: Secret): ReadonlyMap<string, Buffer> =>
  new Map(Object.entries(data).map(([key, base64]) => [key, Buffer.from(base64, 'base64')]))

type DownwardItems = NonNullable<NonNullable<Volume['downwardAPI']>['items']>

function downwardFiles(items: DownwardItems, mode: number, input: VolumeFilesInput): FileTree {
  return new Map(
    items.map(item => {
      const bytes = Buffer.from(downwardText(item, input))
      return [item.path, { bytes, mode: item.mode ?? mode }]
    }),
  )
}

function downwardText({ fieldRef, resourceFieldRef }: DownwardItems[number], input: VolumeFilesInput): string {
  if (fieldRef) return fieldValue(fieldRef.fieldPath, input)
  const container = input.pod.spec?.containers.find(({ name }) => name === resourceFieldRef?.containerName)
  if (!resourceFieldRef || !container) throw new ContainerConfigError('a downwardAPI item names no field of a container')
  return resourceFieldValue(resourceFieldRef, container, input)
}
