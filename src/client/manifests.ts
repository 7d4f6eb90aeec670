import { isMap, isNode, LineCounter, parseAllDocuments, type YAMLMap, type Node as YamlNode } from 'yaml'
import { type ApiResource, apiVersionOf } from '../api/api-resource.js'
import * as resources from '../api/generated/resources.js'
import { PodwireError } from '../base/errors/podwire-error.js'
import type { ApiObject } from './client.js'

/** One object of a manifest, with the resource it belongs to and where it stands: `file:line:column`. */
export interface ManifestObject {
  readonly resource: ApiResource<ApiObject>
  readonly object: ApiObject
  readonly place: string
}

const resourceOfKind: ReadonlyMap<string, ApiResource<ApiObject>> = new Map(
  (Object.values(resources) as ApiResource<ApiObject>[]).map(resource => [`${apiVersionOf(resource)} ${resource.kind}`, resource]),
)

/** Reads a file of YAML (or JSON) documents; Lists are unpacked. Errors: CONFIG_INVALID with every problem's file:line:column. */
export function parseManifests(text: string, file: string): readonly ManifestObject[] {
  const lineCounter = new LineCounter()
  const placeAt = (offset: number): string => {
    const { line, col } = lineCounter.linePos(offset)
    return `${file}:${line}:${col}`
  }
  const problems: string[] = []
  const found: ManifestObject[] = []

  function read(node: YamlNode | null): void {
    if (node === null) return
    const place = placeAt(node.range?.[0] ?? 0)
    if (!isMap(node)) {
      problems.push(`${place} an object with apiVersion and kind is expected`)
      return
    }
    const apiVersion = textAt(node, 'apiVersion')
    const kind = textAt(node, 'kind')
    if (apiVersion === undefined || kind === undefined) {
      problems.push(`${place} ${apiVersion === undefined ? 'apiVersion' : 'kind'} is missing`)
      return
    }
    if (apiVersion === 'v1' && kind === 'List') {
      const items = node.get('items', true)
      for (const item of (items as { items?: YamlNode[] } | undefined)?.items ?? []) read(item)
      return
    }
    const resource = resourceOfKind.get(`${apiVersion} ${kind}`)
    const object = node.toJSON() as ApiObject
    if (resource === undefined) problems.push(`${place} no kind ${kind} is known in ${apiVersion}`)
    else if (!object.metadata?.name) problems.push(`${place} metadata.name is missing`)
    else found.push({ resource, object, place })
  }

  for (const document of parseAllDocuments(text, { lineCounter, logLevel: 'silent' })) {
    if (document.errors.length === 0) read(isNode(document.contents) && !isEmpty(document.contents) ? document.contents : null)
    for (const error of document.errors) problems.push(`${placeAt(error.pos[0])} ${error.message.split('\n')[0]}`)
  }
  if (problems.length > 0) throw new PodwireError('CONFIG_INVALID', `${file} is not a valid manifest:\n  ${problems.join('\n  ')}`)
  return found
}

function textAt(map: YAMLMap, key: string): string | undefined {
  const value = map.get(key)
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** What stands between two `---` with nothing but comments. */
const isEmpty = (node: YamlNode): boolean => 'value' in node && node.value === null
