import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { deployments, nodes } from '../api/generated/resources.js'
import type { Condition, Deployment, Node } from '../api/generated/types.js'
import { PodwireError } from '../base/errors/podwire-error.js'
import { systemClock } from '../base/time/clock.js'
import { applyObjects } from '../client/apply.js'
import type { ApiObject, Client } from '../client/client.js'
import { type ManifestObject, parseManifests } from '../client/manifests.js'
import { waitFor } from '../client/wait-for.js'
import { packageRoot } from '../kernel/built-program.js'
import type { Host } from '../kernel/host.js'
import { clusterDomain, dnsAddress, kubernetesAddress } from './cluster-addresses.js'
import type { LabSpec } from './lab-spec.js'

const dnsManifest = 'manifests/cluster-dns.yaml'
const flowTestsManifest = 'manifests/flow-tests.yaml'
const policyManifest = 'manifests/cluster-network-policy.yaml'
const waitMs = 60_000

/** Gives the cluster its name server, at the address that the lab's Service range has for it. */
export async function applyClusterDns(spec: LabSpec, client: Client, signal: AbortSignal): Promise<void> {
  const objects = parseManifests(readFileSync(join(packageRoot(), dnsManifest), 'utf8'), dnsManifest)
  await applyObjects(
    client,
    objects.map(entry => withClusterIp(entry, dnsAddress(spec))),
    signal,
  )
}

function withClusterIp(entry: ManifestObject, clusterIP: string): ManifestObject {
  if (entry.object.kind !== 'Service') return entry
  const service = entry.object as ApiObject & { readonly spec?: object }
  return { ...entry, object: { ...service, spec: { ...service.spec, clusterIP } } as ApiObject }
}

/** Lets the cluster keep FlowTests and ClusterNetworkPolicies. */
export async function applyOwnKinds(client: Client, signal: AbortSignal): Promise<void> {
  for (const manifest of [flowTestsManifest, policyManifest]) {
    await applyObjects(client, parseManifests(readFileSync(join(packageRoot(), manifest), 'utf8'), manifest), signal)
  }
}

/** Resolves when every node of the lab is Ready. Errors: TIMED_OUT with the state of each; the signal's reason. */
export async function waitForNodes(spec: LabSpec, client: Client, signal: AbortSignal): Promise<void> {
  const isReady = (node: Node | undefined) => hasCondition(node?.status?.conditions, 'Ready')
  const describe = (all: readonly Node[]) =>
    spec.nodes
      .map(({ name }) => {
        const node = all.find(({ metadata }) => metadata?.name === name)
        const words = node?.status?.conditions?.find(({ type }) => type === 'Ready')?.message
        return `${name} is ${isReady(node) ? 'Ready' : node ? `not Ready (${words ?? 'it has not reported yet'})` : 'not registered'}`
      })
      .join(', ')
  await waitFor(
    client,
    { resource: nodes },
    all => spec.nodes.every(({ name }) => isReady(all.find(({ metadata }) => metadata?.name === name))),
    { what: `${spec.nodes.length} Nodes to be Ready`, timeoutMs: waitMs, describe },
    signal,
  )
}

/**
 * Resolves when the name server is available and has answered a node's query for the API's own Service over its Service address.
 * Errors: TIMED_OUT with what was seen last; the signal's reason.
 */
export async function waitForClusterDns(spec: LabSpec, client: Client, node: Host, signal: AbortSignal): Promise<void> {
  await waitFor(
    client,
    { resource: deployments, namespace: 'kube-system', fieldSelector: 'metadata.name=cluster-dns' },
    ([deployment]: readonly Deployment[]) => hasCondition(deployment?.status?.conditions, 'Available'),
    { what: 'Deployment kube-system/cluster-dns to be Available', timeoutMs: waitMs },
    signal,
  )
  const name = `kubernetes.default.svc.${clusterDomain}`
  const query = ['busybox', 'nslookup', '-type=a', name, dnsAddress(spec)]
  const deadline = systemClock.now() + waitMs
  for (;;) {
    // One query: a lost packet is asked for again here, sooner than nslookup would.
    const { stdout, stderr } = await node.run(['timeout', '0.5', ...query], { allowFailure: true, signal })
    if (answers(stdout).includes(kubernetesAddress(spec))) return
    if (systemClock.now() > deadline) {
      throw new PodwireError('TIMED_OUT', `${name} was not answered on ${node.name} by ${dnsAddress(spec)}: ${(stderr || stdout).trim()}`)
    }
    await systemClock.sleep(20, signal)
  }
}

/** The addresses in nslookup's words; the first is the server's own and carries its port. */
const answers = (text: string): readonly string[] => [...text.matchAll(/^Address: (\S+)$/gm)].map(([, address]) => address!)

const hasCondition = (conditions: readonly Pick<Condition, 'type' | 'status'>[] | undefined, wanted: string): boolean =>
  conditions?.some(({ type, status }) => type === wanted && status === 'True') ?? false
