import { deployments } from '../api/generated/resources.js'
import type { Deployment } from '../api/generated/types.js'
import type { Client } from '../client/client.js'
import { waitFor } from '../client/wait-for.js'

/** Resolves when every Deployment of the cluster has all its replicas available. Errors: TIMED_OUT, with those that have not. */
export async function waitForDeployments(client: Client, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const isMet = (all: readonly Deployment[]) => all.length > 0 && all.every(isAvailable)
  const describe = (all: readonly Deployment[]) =>
    all
      .filter(deployment => !isAvailable(deployment))
      .map(progressOf)
      .join(', ')
  await waitFor(client, { resource: deployments }, isMet, { what: 'all Deployments to be available', timeoutMs, describe }, signal)
}

/** The status counts only when it was written for the present spec. */
function isAvailable({ metadata, spec, status }: Deployment): boolean {
  const isObserved = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0)
  const wanted = spec?.replicas ?? 1
  return isObserved && (status?.availableReplicas ?? 0) >= wanted && (status?.updatedReplicas ?? 0) >= wanted
}

const progressOf = ({ metadata, spec, status }: Deployment): string =>
  `${metadata?.namespace}/${metadata?.name} has ${status?.availableReplicas ?? 0} of ${spec?.replicas ?? 1}`
