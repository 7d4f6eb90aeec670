/**
 * A container cannot be described yet: it refers to something that is not there or not valid. Not an error of ours: the container waits with
 * reason CreateContainerConfigError and this message until the object it refers to changes.
 */
export class ContainerConfigError extends Error {
  override readonly name = 'ContainerConfigError'
}
