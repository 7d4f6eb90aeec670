import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../generated/types.js'
import type { TableColumn } from '../resource-type.js'
import { ageColumn, column, nameColumn, orUnset, wide } from './column.js'

const shortModes: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
}
const accessModes = (modes: readonly string[] | undefined): string =>
  Object.entries(shortModes)
    .flatMap(([long, short]) => (modes?.includes(long) ? [short] : []))
    .join(',')

const classAnnotation = 'volume.beta.kubernetes.io/storage-class'
const isDefaultAnnotation = 'storageclass.kubernetes.io/is-default-class'

export const persistentVolumeColumns: readonly TableColumn<PersistentVolume>[] = [
  nameColumn,
  column('Capacity', 'string', 'How large it is', ({ spec }) => spec?.capacity?.storage ?? ''),
  column('Access Modes', 'string', 'How it may be mounted', ({ spec }) => accessModes(spec?.accessModes)),
  column('Reclaim Policy', 'string', 'What becomes of it when it is released', ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? ''),
  column('Status', 'string', 'Whether a claim holds it', ({ metadata, status }) =>
    metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
  ),
  column('Claim', 'string', 'The claim that holds it', ({ spec }) =>
    spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '',
  ),
  column(
    'StorageClass',
    'string',
    'Its class',
    ({ metadata, spec }) => metadata?.annotations?.[classAnnotation] ?? spec?.storageClassName ?? '',
  ),
  column('VolumeAttributesClass', 'string', 'Class of what may change', ({ spec }) => orUnset(spec?.volumeAttributesClassName)),
  column('Reason', 'string', 'Why it is as it is', ({ status }) => status?.reason ?? ''),
  ageColumn,
  wide('VolumeMode', 'string', 'File system or block device', ({ spec }) => orUnset(spec?.volumeMode)),
]

export const persistentVolumeClaimColumns: readonly TableColumn<PersistentVolumeClaim>[] = [
  nameColumn,
  column('Status', 'string', 'Whether it has a volume', ({ metadata, status }) =>
    metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
  ),
  column('Volume', 'string', 'The volume it holds', ({ spec }) => spec?.volumeName ?? ''),
  column('Capacity', 'string', 'How large the volume is', ({ spec, status }) =>
    spec?.volumeName ? (status?.capacity?.storage ?? '') : '',
  ),
  column('Access Modes', 'string', 'How the volume may be mounted', ({ spec, status }) =>
    spec?.volumeName ? accessModes(status?.accessModes) : '',
  ),
  column(
    'StorageClass',
    'string',
    'Its class',
    ({ metadata, spec }) => metadata?.annotations?.[classAnnotation] ?? spec?.storageClassName ?? '',
  ),
  column('VolumeAttributesClass', 'string', 'Class of what may change', ({ spec }) => orUnset(spec?.volumeAttributesClassName)),
  ageColumn,
  wide('VolumeMode', 'string', 'File system or block device', ({ spec }) => orUnset(spec?.volumeMode)),
]

export const storageClassColumns: readonly TableColumn<StorageClass>[] = [
  {
    ...nameColumn,
    cell: ({ metadata }) => `${metadata?.name ?? ''}${metadata?.annotations?.[isDefaultAnnotation] === 'true' ? ' (default)' : ''}`,
  },
  column('Provisioner', 'string', 'Who makes the volumes', ({ provisioner }) => provisioner ?? ''),
  column('ReclaimPolicy', 'string', 'What becomes of released volumes', ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete'),
  column('VolumeBindingMode', 'string', 'When volumes are bound', ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate'),
  column('AllowVolumeExpansion', 'string', 'True where claims may grow', ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false),
  ageColumn,
]

export const csiDriverColumns: readonly TableColumn<CSIDriver>[] = [
  nameColumn,
  column('AttachRequired', 'boolean', 'True when volumes must be attached', ({ spec }) => spec?.attachRequired ?? true),
  column('PodInfoOnMount', 'boolean', 'True when it is told of the Pod', ({ spec }) => spec?.podInfoOnMount ?? false),
  column('StorageCapacity', 'boolean', 'True when it says how much is free', ({ spec }) => spec?.storageCapacity ?? false),
  column(
    'TokenRequests',
    'string',
    'Audiences of the tokens it gets',
    ({ spec }) => spec?.tokenRequests?.map(({ audience }) => audience).join(',') || '<unset>',
  ),
  column('RequiresRepublish', 'boolean', 'True when it wants to be called again and again', ({ spec }) => spec?.requiresRepublish ?? false),
  column('Modes', 'string', 'How its volumes live', ({ spec }) => spec?.volumeLifecycleModes?.join(',') || '<none>'),
  ageColumn,
]

export const csiNodeColumns: readonly TableColumn<CSINode>[] = [
  nameColumn,
  column('Drivers', 'integer', 'How many drivers it has', ({ spec }) => spec?.drivers?.length ?? 0),
  ageColumn,
]

export const csiStorageCapacityColumns: readonly TableColumn<CSIStorageCapacity>[] = [
  nameColumn,
  column('StorageClassName', 'string', 'The class it speaks of', ({ storageClassName }) => storageClassName ?? ''),
  column('Capacity', 'string', 'How much is free', ({ capacity }) => capacity ?? ''),
]

export const volumeAttachmentColumns: readonly TableColumn<VolumeAttachment>[] = [
  nameColumn,
  column('Attacher', 'string', 'Who attaches', ({ spec }) => spec?.attacher ?? ''),
  column('PV', 'string', 'Which volume', ({ spec }) => spec?.source?.persistentVolumeName ?? ''),
  column('Node', 'string', 'To which node', ({ spec }) => spec?.nodeName ?? ''),
  column('Attached', 'boolean', 'Whether it is', ({ status }) => status?.attached ?? false),
  ageColumn,
]

export const volumeAttributesClassColumns: readonly TableColumn<VolumeAttributesClass>[] = [
  nameColumn,
  column('DriverName', 'string', 'Whose volumes it is for', ({ driverName }) => driverName ?? ''),
  ageColumn,
]
