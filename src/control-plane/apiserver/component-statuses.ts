import { apiVersionOf } from '../../api/api-resource.js'
import { componentstatuses } from '../../api/generated/resources.js'
import type { ComponentStatus } from '../../api/generated/types.js'
import type { Store } from '../store/store.js'
import type { StoredObject } from './object-codec.js'

/** What is wrong with a part of the control plane; undefined when it is well. */
export type ComponentCheck = () => string | undefined

interface Parts {
  readonly store: Store
  /** By the names that upstream gives them: `scheduler`, `controller-manager`. */
  readonly checks: Readonly<Record<string, ComponentCheck>>
}

/** How the parts of the control plane are, found out when somebody asks; never stored. */
export async function componentStatuses({ store, checks }: Parts): Promise<readonly StoredObject[]> {
  const ofStore = await store.newest().then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
  const all = [...Object.entries(checks).map(([name, check]) => [name, check()] as const), ['etcd-0', ofStore] as const]
  return all.map(([name, problem]) => {
    const condition = problem === undefined ? { status: 'True', message: 'ok' } : { status: 'False', message: 'not well', error: problem }
    const object: ComponentStatus & Pick<StoredObject['object'], 'metadata'> = {
      kind: componentstatuses.kind,
      apiVersion: apiVersionOf(componentstatuses),
      metadata: { name },
      conditions: [{ type: 'Healthy', ...condition }],
    }
    return { key: name, revision: store.revision, object, bytes: Buffer.from(JSON.stringify(object)) }
  })
}
