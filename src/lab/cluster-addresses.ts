import { type Cidr, type Ip, nthAddress } from '../base/net/address.js'
import type { LabSpec } from './lab-spec.js'

export const apiPort = 6443
export const kubeletPort = 10250
export const clusterDomain = 'cluster.local'

/** The address of the Service default/kubernetes: the first of the range. */
export const kubernetesAddress = (spec: LabSpec): Ip => nthAddress(spec.services.cidr as Cidr, 1)

/** The address of the cluster's name server: the tenth of the range, as kubeadm has it. */
export const dnsAddress = (spec: LabSpec): Ip => nthAddress(spec.services.cidr as Cidr, 10)
