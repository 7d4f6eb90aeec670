import type { KubeObject, ResourceType } from '../../../api/resource-type.js'
import type { Commit } from '../../store/store.js'
import type { User } from '../authentication.js'
import type { Admission } from '../object-writer.js'
import type { AdmissionPlugin, AdmissionRequest } from './admission-plugin.js'

interface Context {
  readonly user: User
  readonly resource: ResourceType
  readonly subresource: string | undefined
  readonly dryRun: boolean
}

/** The admission of one request. */
export type AdmissionChain = (context: Context) => Admission

/** Runs every plugin's `mutate` in order, later every plugin's `validate`: no validation sees what another plugin changes afterwards. */
export function admissionChain(plugins: readonly AdmissionPlugin[]): AdmissionChain {
  return ({ user, resource, subresource = '', dryRun }) => {
    const requestOf = (operation: AdmissionRequest['operation'], object: AdmissionRequest['object'], previous: KubeObject | undefined) => ({
      operation,
      user,
      resource,
      subresource,
      dryRun,
      object,
      previous,
    })
    return {
      async mutate(operation, object, previous) {
        for (const plugin of plugins) await plugin.mutate?.(requestOf(operation, object, previous))
      },
      async validate(operation, object, previous) {
        const more: Commit[] = []
        for (const plugin of plugins) {
          const commit = await plugin.validate?.(requestOf(operation, object, previous))
          if (commit) more.push(commit)
        }
        return { expect: more.flatMap(({ expect }) => expect), changes: more.flatMap(({ changes }) => changes) }
      },
    }
  }
}
