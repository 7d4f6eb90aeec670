import { checkDnsSubdomain } from '../name-format.js'
import type { KubeObject, Strategy } from '../resource-type.js'

/** A resource that is stored as it comes. Others spread it and replace what differs. */
export const plainStrategy = {
  checkName: checkDnsSubdomain,
  hasGeneration: false,
  keepsStatusOnCreate: false,
  setDefaults: () => undefined,
  prepareCreate: () => undefined,
  prepareUpdate: () => undefined,
  validate: () => [],
  validateUpdate: () => [],
  selectableFields: () => ({}),
  gracePeriodSeconds: () => 0,
} as const satisfies Strategy<KubeObject>
