import type { Container, Pod, ResourceFieldSelector } from '../../api/generated/types.js'
import { parseQuantity } from '../../api/quantity.js'
import { ContainerConfigError } from './container-config-error.js'
import type { KubeletConfig } from './kubelet-config.js'
import type { NodeCapacity } from './machine-facts.js'

export interface FieldContext {
  readonly pod: Pod
  readonly config: Pick<KubeletConfig, 'nodeName' | 'nodeAddress'>
  /** The Pod's addresses; empty before it has a network. */
  readonly ips: readonly string[]
  readonly capacity: NodeCapacity
}

/** What a `fieldRef` of the downward API says; whole label and annotation maps are one `key="value"` a line. */
export function fieldValue(path: string, { pod, config, ips }: FieldContext): string {
  const { metadata = {}, spec } = pod
  const one = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path)
  if (one) return metadata[one[1] as 'labels' | 'annotations']?.[one[2]!] ?? ''
  switch (path) {
    case 'metadata.name':
      return metadata.name ?? ''
    case 'metadata.namespace':
      return metadata.namespace ?? ''
    case 'metadata.uid':
      return metadata.uid ?? ''
    case 'metadata.labels':
      return mapLines(metadata.labels)
    case 'metadata.annotations':
      return mapLines(metadata.annotations)
    case 'spec.nodeName':
      return config.nodeName
    case 'spec.serviceAccountName':
      return spec?.serviceAccountName ?? 'default'
    case 'status.hostIP':
    case 'status.hostIPs':
      return config.nodeAddress
    case 'status.podIP':
      return ips[0] ?? ''
    case 'status.podIPs':
      return ips.join(',')
    default:
      throw new ContainerConfigError(`unsupported fieldPath: ${path}`)
  }
}

const mapLines = (map: Readonly<Record<string, string>> = {}): string =>
  Object.entries(map)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n')

/** A container's own limit or request in units of `divisor`, rounded up; without a limit, what the node can give. */
export function resourceFieldValue(selector: ResourceFieldSelector, container: Container, { capacity }: FieldContext): string {
  const [kind, name = ''] = selector.resource.split('.') as ['limits' | 'requests', string]
  const { limits = {}, requests = {} } = container.resources ?? {}
  const whole: Readonly<Record<string, string>> = { cpu: String(capacity.cpus), memory: String(capacity.memoryBytes) }
  const quantity = kind === 'limits' ? (limits[name] ?? whole[name]) : (requests[name] ?? limits[name] ?? '0')
  const divisor = selector.divisor === undefined || selector.divisor === '0' ? '1' : selector.divisor
  const unit = parseQuantity(divisor)
  return String((parseQuantity(quantity ?? '0') + unit - 1n) / unit)
}
