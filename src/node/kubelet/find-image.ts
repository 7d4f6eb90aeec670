import type { Container, Pod } from '../../api/generated/types.js'
import type { PodParts } from './pod-parts.js'
import type { RuntimeImage } from './pod-runtime.js'
import type { Waiting } from './pod-status.js'

export interface ImageWanted {
  readonly pod: Pod
  readonly container: Container
  /** Why the container waits already. */
  readonly before: Waiting | undefined
}

/** The node looks again this often for an image that somebody may load. */
const lookAgainMs = 1000

/**
 * The image of a container, if the node has it. Nothing is ever pulled: a lab has no registry, images are loaded (`podwire image load`).
 * So a container that always wants a fresh one fails as it would with a registry that cannot be reached.
 */
export async function findImage(
  { runtime, record }: PodParts,
  { pod, container, before }: ImageWanted,
  signal: AbortSignal,
): Promise<{ readonly image: RuntimeImage } | { readonly waiting: Waiting; readonly retryMs: number }> {
  const name = container.image ?? ''
  const policy = container.imagePullPolicy ?? (/:latest$|^[^:@]*$/.test(name.slice(name.lastIndexOf('/') + 1)) ? 'Always' : 'IfNotPresent')
  const image = await runtime.image(name, signal)
  if (image && policy !== 'Always') {
    const message = `Container image "${name}" already present on machine`
    record(pod, { type: 'Normal', reason: 'Pulled', message })
    return { image }
  }
  if (policy === 'Never') {
    const message = `Container image "${name}" is not present with pull policy of Never`
    if (!before) record(pod, { type: 'Warning', reason: 'ErrImageNeverPull', message })
    return { waiting: { reason: 'ErrImageNeverPull', message }, retryMs: lookAgainMs }
  }

  if (!before) {
    const why = image
      ? 'imagePullPolicy is Always and no registry can be reached; set it to IfNotPresent'
      : 'no registry can be reached; load it with: podwire image load FILE.tar'
    const message = `Failed to pull image "${name}": ${why}`
    record(pod, { type: 'Warning', reason: 'Failed', message })
    record(pod, { type: 'Warning', reason: 'Failed', message: 'Error: ErrImagePull' })
    return { waiting: { reason: 'ErrImagePull', message }, retryMs: lookAgainMs }
  }
  const message = `Back-off pulling image "${name}"`
  if (before.reason !== 'ImagePullBackOff') record(pod, { type: 'Normal', reason: 'BackOff', message })
  return { waiting: { reason: 'ImagePullBackOff', message }, retryMs: lookAgainMs }
}
