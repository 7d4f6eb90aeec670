import type { Container, Pod } from '../../api/generated/types.js'
import { badRequest } from '../../api/status.js'

const namesOf = (containers: readonly Pick<Container, 'name'>[] | undefined): readonly string[] =>
  (containers ?? []).map(({ name }) => name)
const listed = (names: readonly string[]): string => `[${names.join(' ')}]`

/** The container that a request means: the only one when it names none. Throws 400 in upstream's words. */
export function chooseContainer({ metadata, spec }: Pod, wanted: string | null): string {
  const containers = namesOf(spec?.containers)
  const init = namesOf(spec?.initContainers)
  const ephemeral = namesOf(spec?.ephemeralContainers)
  const pod = metadata?.name
  if (wanted) {
    if ([...containers, ...init, ...ephemeral].includes(wanted)) return wanted
    throw badRequest(`container ${wanted} is not valid for pod ${pod}`)
  }
  const [only, ...others] = containers
  if (only === undefined) throw badRequest(`a container name must be specified for pod ${pod}`)
  if (others.length === 0) return only
  const choices = [
    `choose one of: ${listed(containers)}`,
    ...(init.length > 0 ? [`or one of the init containers: ${listed(init)}`] : []),
    ...(ephemeral.length > 0 ? [`or one of the ephemeral containers: ${listed(ephemeral)}`] : []),
  ]
  throw badRequest(`a container name must be specified for pod ${pod}, ${choices.join(' ')}`)
}
