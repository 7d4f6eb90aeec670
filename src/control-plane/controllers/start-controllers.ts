import { readFileSync } from 'node:fs'
import type { ApiResource } from '../../api/api-resource.js'
import {
  autoscalingV2HorizontalPodAutoscalers,
  certificatesigningrequests,
  clusterroles,
  configmaps,
  customresourcedefinitions,
  deployments,
  endpoints,
  endpointslices,
  events,
  ipaddresses,
  leases,
  namespaces,
  nodes,
  persistentvolumeclaims,
  persistentvolumes,
  poddisruptionbudgets,
  pods,
  replicasets,
  resourcequotas,
  secrets,
  serviceaccounts,
  servicecidrs,
  services,
} from '../../api/generated/resources.js'
import { resourceTable } from '../../api/resource-table.js'
import type { ServerConfig } from '../../base/config/server-config.js'
import { parseCidr } from '../../base/net/address.js'
import type { Clock } from '../../base/time/clock.js'
import type { ApiObject, Client } from '../../client/client.js'
import { createInformer } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { certificateApprover } from './certificate-approver.js'
import { certificateCleaner } from './certificate-cleaner.js'
import { certificateSigner } from './certificate-signer.js'
import { clusterRoleAggregationController } from './cluster-role-aggregation.js'
import { type Collection, followCollections } from './collections.js'
import type { Controller, ControllerParts } from './controller.js'
import { deploymentController } from './deployment.js'
import { disruptionController } from './disruption.js'
import { endpointSliceController } from './endpoint-slice.js'
import { endpointSliceMirroring } from './endpoint-slice-mirroring.js'
import { endpointsController } from './endpoints.js'
import { garbageCollector } from './garbage-collector.js'
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.js'
import { namespaceController } from './namespace.js'
import { rootCaController, serviceAccountController } from './namespace-defaults.js'
import { nodeIpamController } from './node-ipam.js'
import { nodeLifecycleController } from './node-lifecycle.js'
import { podGarbageCollector } from './pod-gc.js'
import { claimProtection, serviceCidrController, volumeProtection } from './protection.js'
import { replicaSetController } from './replica-set.js'
import { resourceQuotaController } from './resource-quota.js'
import { taintEvictionController } from './taint-eviction.js'

export interface StartControllersOptions extends Pick<ControllerParts, 'log'> {
  /** Used for everything, over one connection; the caller closes it. */
  readonly client: Client
  readonly config: Pick<ServerConfig, 'podCidrs' | 'nodePodCidrs' | 'tls'>
  readonly signal: AbortSignal
  readonly clock?: Clock
}

/**
 * Runs all controllers until `signal` aborts, and resolves when they have ended. They survive the API server's absence; what cannot
 * be done is logged and tried again.
 */
export async function startControllers({ client, config, signal, log, clock }: StartControllersOptions): Promise<void> {
  const running: Promise<void>[] = []
  const builtIn: Collection[] = []
  const informerOf = <T extends ApiObject>(resource: ApiResource<T>): Informer<T> => {
    const onError = (error: unknown) => log.warn({ resource: resource.resource, err: error }, 'lists again')
    return createInformer(client, resource, { onError, ...(clock && { clock }) })
  }
  const follow = <T extends ApiObject>(resource: ApiResource<T>): Informer<T> => {
    const informer = informerOf(resource)
    builtIn.push({ resource: resource as ApiResource<ApiObject>, informer: informer as Informer<ApiObject> })
    return informer
  }
  const informers = {
    autoscalers: follow(autoscalingV2HorizontalPodAutoscalers),
    budgets: follow(poddisruptionbudgets),
    certificateRequests: follow(certificatesigningrequests),
    clusterRoles: follow(clusterroles),
    configMaps: follow(configmaps),
    definitions: follow(customresourcedefinitions),
    deployments: follow(deployments),
    endpoints: follow(endpoints),
    endpointSlices: follow(endpointslices),
    claims: follow(persistentvolumeclaims),
    ipAddresses: follow(ipaddresses),
    leases: follow(leases),
    namespaces: follow(namespaces),
    nodes: follow(nodes),
    pods: follow(pods),
    replicaSets: follow(replicasets),
    quotas: follow(resourcequotas),
    secrets: follow(secrets),
    serviceAccounts: follow(serviceaccounts),
    serviceCidrs: follow(servicecidrs),
    services: follow(services),
    volumes: follow(persistentvolumes),
  }
  const parts = { client, log, ...(clock && { clock }), ...informers }
  const ranges = config.podCidrs.map(({ cidr, nodeMask }, family) => ({
    podCidr: parseCidr(cidr),
    nodeMaskSize: nodeMask,
    reserved: Object.fromEntries(
      Object.entries(config.nodePodCidrs).flatMap(([name, shares]) => {
        const share = shares[family]
        return share === undefined ? [] : [[name, parseCidr(share)]]
      }),
    ),
  }))
  const owned = resourceTable.filter(({ storedAs, verbs }) => !storedAs && ['delete', 'list', 'watch'].every(verb => verbs.includes(verb)))
  const isFollowed = (row: ApiResource) =>
    builtIn.some(({ resource }) => resource.group === row.group && resource.resource === row.resource)
  // Every kind may own and be owned; only events, which are many, belong to nobody.
  for (const row of owned) if (row.resource !== events.resource && !isFollowed(row)) follow(row as ApiResource<ApiObject>)
  const collections = followCollections({ builtIn, definitions: informers.definitions, follow: informerOf }, signal)

  const { caFile, caKeyFile } = config.tls
  const ca = readFileSync(caFile, 'utf8')

  // First what nodes and Pods wait for when a cluster starts.
  const controllers: readonly Controller[] = [
    nodeIpamController({ ...parts, ranges }),
    serviceAccountController(parts),
    clusterRoleAggregationController(parts),
    rootCaController({ ...parts, ca }),
    nodeLifecycleController(parts),
    deploymentController(parts),
    replicaSetController(parts),
    endpointSliceController(parts),
    endpointsController(parts),
    endpointSliceMirroring(parts),
    serviceCidrController({ ...parts, ranges: parts.serviceCidrs, addresses: parts.ipAddresses }),
    taintEvictionController(parts),
    podGarbageCollector(parts),
    disruptionController(parts),
    horizontalPodAutoscaler({ ...parts, collections }),
    resourceQuotaController({ ...parts, collections }),
    certificateApprover(parts),
    certificateCleaner(parts),
    ...(caKeyFile === undefined ? [] : [certificateSigner({ ...parts, authority: { cert: ca, key: readFileSync(caKeyFile, 'utf8') } })]),
    claimProtection(parts),
    volumeProtection(parts),
    namespaceController({ ...parts, collections, otherResources: [events] }),
    garbageCollector({ ...parts, collections }),
  ]
  for (const controller of controllers) running.push(controller.run(signal))
  for (const { informer } of builtIn) running.push(informer.run(signal))
  await Promise.all(running)
}
