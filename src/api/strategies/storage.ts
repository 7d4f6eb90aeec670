import { type FieldProblem, forbidden, invalid, required } from '../field-problem.js'
import { namedBy, oneOf } from '../field-rules.js'
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeSpec,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../generated/types.js'
import { type Draft, jsonEqual } from '../json.js'
import { checkDnsSubdomain, checkQualifiedName } from '../name-format.js'
import { compareQuantities } from '../quantity.js'
import type { Strategy } from '../resource-type.js'
import { validateImmutable } from '../validate-meta.js'
import { plainStrategy } from './plain-strategy.js'

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']
const volumeModes = ['Block', 'Filesystem']
/** They hold what is in use back from removal (admission plugin StorageObjectInUseProtection). */
const claimProtection = 'kubernetes.io/pvc-protection'
const volumeProtection = 'kubernetes.io/pv-protection'

function protect(object: { metadata?: Draft<NonNullable<PersistentVolume['metadata']>> }, finalizer: string): void {
  const finalizers = object.metadata?.finalizers ?? []
  if (!finalizers.includes(finalizer)) object.metadata = { ...object.metadata, finalizers: [...finalizers, finalizer] }
}

export function setClaimDefaults(claim: Draft<PersistentVolumeClaim>): void {
  claim.status ??= {}
  claim.status.phase ||= 'Pending'
  if (!claim.spec) return
  claim.spec.volumeMode ??= 'Filesystem'
  const { dataSource, dataSourceRef } = claim.spec
  // Older clients know the source by its first name; both are kept equal where both can say it.
  if (dataSource && !dataSourceRef) claim.spec.dataSourceRef = { ...dataSource }
  if (dataSourceRef && !dataSource && !dataSourceRef.namespace) claim.spec.dataSource = { ...dataSourceRef }
}

export const persistentVolumeClaimStrategy: Strategy<PersistentVolumeClaim> = {
  ...plainStrategy,
  setDefaults: setClaimDefaults,
  prepareCreate(claim) {
    claim.status = { phase: 'Pending' }
    protect(claim, claimProtection)
  },
  validate({ spec }) {
    if (!spec) return [required('spec')]
    const storage = spec.resources?.requests?.storage
    return [
      ...(spec.accessModes?.length ? [] : [required('spec.accessModes', 'at least 1 access mode is required')]),
      ...(spec.accessModes ?? []).flatMap(mode => oneOf(mode, accessModes, 'spec.accessModes')),
      ...(storage === undefined
        ? [required('spec.resources[storage]')]
        : compareQuantities(storage, '0') <= 0
          ? [invalid('spec.resources[storage]', storage, 'must be greater than zero')]
          : []),
      ...oneOf(spec.volumeMode, volumeModes, 'spec.volumeMode'),
      ...(spec.storageClassName ? namedBy(spec.storageClassName, checkDnsSubdomain, 'spec.storageClassName') : []),
    ]
  },
  validateUpdate({ spec }, { spec: previous, status }) {
    if (!spec || !previous) return []
    const bound = status?.phase === 'Bound'
    if (jsonEqual(frozenClaim(spec, previous, bound), frozenClaim(previous, previous, bound))) {
      const [now, before] = [spec.resources?.requests?.storage ?? '0', previous.resources?.requests?.storage ?? '0']
      const shrinks = compareQuantities(now, before) < 0
      return shrinks ? [forbidden('spec.resources.requests.storage', 'field can not be less than previous value')] : []
    }
    const detail = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims'
    return [forbidden('spec', detail)]
  },
  selectableFields: ({ metadata }) => ({ name: metadata?.name ?? '' }),
}

/** A claim's spec without what may change: its binding once, and the size and attributes of what is bound. */
function frozenClaim(spec: PersistentVolumeClaimSpec, previous: PersistentVolumeClaimSpec, bound: boolean): object {
  const { volumeName, resources, volumeAttributesClassName, storageClassName, ...rest } = spec
  return {
    ...rest,
    ...(previous.volumeName && { volumeName }),
    ...(previous.storageClassName !== undefined && { storageClassName }),
    ...(!bound && { resources, volumeAttributesClassName }),
    ...(bound && { limits: resources?.limits }),
  }
}

export const persistentVolumeStrategy: Strategy<PersistentVolume> = {
  ...plainStrategy,
  setDefaults(volume) {
    volume.status ??= {}
    volume.status.phase ||= 'Pending'
    if (!volume.spec) return
    volume.spec.persistentVolumeReclaimPolicy ||= 'Retain'
    volume.spec.volumeMode ??= 'Filesystem'
    if (volume.spec.hostPath) volume.spec.hostPath.type ??= ''
  },
  prepareCreate(volume) {
    volume.status = { phase: 'Pending' }
    protect(volume, volumeProtection)
  },
  validate({ spec }) {
    if (!spec) return [required('spec')]
    const problems: FieldProblem[] = spec.accessModes?.length ? [] : [required('spec.accessModes')]
    for (const mode of spec.accessModes ?? []) problems.push(...oneOf(mode, accessModes, 'spec.accessModes'))
    const capacity = Object.keys(spec.capacity ?? {})
    if (capacity.length === 0) problems.push(required('spec.capacity'))
    if (!spec.capacity?.storage || capacity.length > 1) {
      problems.push({
        reason: 'FieldValueNotSupported',
        field: 'spec.capacity',
        message: `Unsupported value: ${JSON.stringify(spec.capacity ?? {})}: supported values: "storage"`,
      })
    }
    if (spec.persistentVolumeReclaimPolicy) {
      problems.push(...oneOf(spec.persistentVolumeReclaimPolicy, ['Delete', 'Recycle', 'Retain'], 'spec.persistentVolumeReclaimPolicy'))
    }
    problems.push(...oneOf(spec.volumeMode, volumeModes, 'spec.volumeMode'))
    const [first, ...more] = Object.keys(sourceOf(spec))
    if (first === undefined) problems.push(required('spec', 'must specify a volume type'))
    for (const kind of more) problems.push(forbidden(`spec.${kind}`, 'may not specify more than 1 volume type'))
    return problems
  },
  validateUpdate({ spec }, { spec: previous }) {
    if (!spec || !previous) return []
    const source = jsonEqual(sourceOf(spec), sourceOf(previous))
      ? []
      : [forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation')]
    return [...source, ...validateImmutable(spec.volumeMode, previous.volumeMode, 'spec.volumeMode')]
  },
  selectableFields: ({ metadata }) => ({ name: metadata?.name ?? '' }),
}

/** Whatever in the spec is no setting of all volumes is the one source. */
function sourceOf(spec: PersistentVolumeSpec): object {
  const {
    accessModes: _,
    capacity: __,
    claimRef: ___,
    mountOptions: ____,
    nodeAffinity: _____,
    persistentVolumeReclaimPolicy: ______,
    storageClassName: _______,
    volumeAttributesClassName: ________,
    volumeMode: _________,
    ...source
  } = spec
  return source
}

export const storageClassStrategy: Strategy<StorageClass> = {
  ...plainStrategy,
  setDefaults(storageClass) {
    storageClass.reclaimPolicy ??= 'Delete'
    storageClass.volumeBindingMode ??= 'Immediate'
  },
  validate: ({ provisioner, reclaimPolicy, volumeBindingMode }) => [
    ...namedBy(provisioner, text => checkQualifiedName(text.toLowerCase()), 'provisioner'),
    ...oneOf(reclaimPolicy, ['Delete', 'Retain'], 'reclaimPolicy'),
    ...oneOf(volumeBindingMode, ['Immediate', 'WaitForFirstConsumer'], 'volumeBindingMode'),
  ],
  validateUpdate(storageClass, previous) {
    const fields = ['parameters', 'provisioner', 'reclaimPolicy'] as const
    return [
      ...fields.flatMap(field =>
        jsonEqual(storageClass[field] ?? {}, previous[field] ?? {}) ? [] : [forbidden(field, `updates to ${field} are forbidden.`)],
      ),
      ...validateImmutable(storageClass.volumeBindingMode, previous.volumeBindingMode, 'volumeBindingMode'),
    ]
  },
}

export const csiDriverStrategy: Strategy<CSIDriver> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ spec }) {
    if (!spec) return
    spec.attachRequired ??= true
    spec.podInfoOnMount ??= false
    spec.storageCapacity ??= false
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType'
    spec.requiresRepublish ??= false
    spec.seLinuxMount ??= false
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent']
  },
  validate: ({ spec }) => [
    ...oneOf(spec?.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType'], 'spec.fsGroupPolicy'),
    ...(spec?.volumeLifecycleModes ?? []).flatMap(mode => oneOf(mode, ['Ephemeral', 'Persistent'], 'spec.volumeLifecycleModes')),
  ],
  validateUpdate: ({ spec }, { spec: previous }) => [
    ...validateImmutable(spec?.attachRequired, previous?.attachRequired, 'spec.attachedRequired'),
    ...validateImmutable(spec?.volumeLifecycleModes, previous?.volumeLifecycleModes, 'spec.volumeLifecycleModes'),
  ],
}

export const csiNodeStrategy: Strategy<CSINode> = {
  ...plainStrategy,
  validate: ({ spec }) =>
    (spec?.drivers ?? []).flatMap(({ name, nodeID }, i) => [
      ...namedBy(name, text => checkDnsSubdomain(text.toLowerCase()), `spec.drivers[${i}].name`),
      ...(nodeID ? [] : [required(`spec.drivers[${i}].nodeID`)]),
    ]),
}

export const csiStorageCapacityStrategy: Strategy<CSIStorageCapacity> = {
  ...plainStrategy,
  validate: ({ storageClassName }) => namedBy(storageClassName, checkDnsSubdomain, 'storageClassName'),
  validateUpdate: (capacity, previous) => [
    ...validateImmutable(capacity.nodeTopology, previous.nodeTopology, 'nodeTopology'),
    ...validateImmutable(capacity.storageClassName, previous.storageClassName, 'storageClassName'),
  ],
}

export const volumeAttachmentStrategy: Strategy<VolumeAttachment> = {
  ...plainStrategy,
  prepareCreate(attachment) {
    attachment.status = { attached: false }
  },
  validate: ({ spec }) => [
    ...(spec?.attacher ? [] : [required('spec.attacher')]),
    ...namedBy(spec?.nodeName, checkDnsSubdomain, 'spec.nodeName'),
    ...(spec?.source?.persistentVolumeName || spec?.source?.inlineVolumeSpec
      ? []
      : [required('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName')]),
  ],
  validateUpdate: ({ spec }, { spec: previous }) => validateImmutable(spec, previous, 'spec'),
}

export const volumeAttributesClassStrategy: Strategy<VolumeAttributesClass> = {
  ...plainStrategy,
  validate: ({ driverName, parameters }) => [
    ...namedBy(driverName, text => checkDnsSubdomain(text.toLowerCase()), 'driverName'),
    ...(Object.keys(parameters ?? {}).length > 0 ? [] : [required('parameters', 'must contain at least one key/value pair')]),
  ],
  validateUpdate: (attributes, previous) =>
    (['driverName', 'parameters'] as const).flatMap(field => validateImmutable(attributes[field], previous[field], field)),
}
