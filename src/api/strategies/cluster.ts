import { type FieldProblem, forbidden, required } from '../field-problem.js'
import { notNegative, oneOf, positive } from '../field-rules.js'
import type { Lease, Namespace, Node } from '../generated/types.js'
import { checkDnsLabel } from '../name-format.js'
import type { Strategy } from '../resource-type.js'
import { plainStrategy } from './plain-strategy.js'

/** The label that carries a namespace's own name. */
const nameLabel = 'kubernetes.io/metadata.name'

export const namespaceStrategy: Strategy<Namespace> = {
  ...plainStrategy,
  checkName: checkDnsLabel,
  setDefaults({ metadata }) {
    if (metadata?.name) metadata.labels = { ...metadata.labels, [nameLabel]: metadata.name }
  },
  /** The finalizer keeps the namespace until its content is gone. */
  prepareCreate(namespace) {
    namespace.spec = { finalizers: ['kubernetes'] }
    namespace.status = { phase: 'Active' }
  },
  /** Only /finalize changes the spec. */
  prepareUpdate(namespace, previous) {
    if (previous.spec) namespace.spec = { ...previous.spec, finalizers: [...(previous.spec.finalizers ?? [])] }
    if (namespace.metadata?.deletionTimestamp) namespace.status = { ...namespace.status, phase: 'Terminating' }
  },
  selectableFields: ({ metadata, status }) => ({ name: metadata?.name ?? '', 'status.phase': status?.phase ?? '' }),
}

export const nodeStrategy: Strategy<Node> = {
  ...plainStrategy,
  keepsStatusOnCreate: true,
  setDefaults(node) {
    node.spec ??= {}
    node.status ??= {}
    if (node.status.capacity) node.status.allocatable ??= { ...node.status.capacity }
  },
  validate({ spec }) {
    return (spec?.taints ?? []).flatMap(({ key, effect }, i): FieldProblem[] => [
      ...(key ? [] : [required(`metadata.taints[${i}].key`)]),
      ...oneOf(effect, ['NoExecute', 'NoSchedule', 'PreferNoSchedule'], `metadata.taints[${i}].effect`),
    ])
  },
  validateUpdate({ spec }, { spec: previous }) {
    if (!previous?.podCIDR || spec?.podCIDR === previous.podCIDR) return []
    return [forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid')]
  },
  selectableFields: ({ spec }) => ({ 'spec.unschedulable': String(spec?.unschedulable ?? false) }),
}

export const leaseStrategy: Strategy<Lease> = {
  ...plainStrategy,
  validate({ spec }) {
    const { leaseDurationSeconds: duration, leaseTransitions: transitions } = spec ?? {}
    return [...positive(duration, 'spec.leaseDurationSeconds'), ...notNegative(transitions, 'spec.leaseTransitions')]
  },
}
