import { namespaces, networkpolicies, nodes, pods } from '../api/generated/resources.js'
import { isPodwireError } from '../base/errors/podwire-error.js'
import { type Ip, isIp, parseIp } from '../base/net/address.js'
import type { Client } from '../client/client.js'
import { type ClusterNetworkPolicy, clusterNetworkPolicies } from '../netpol/cluster-network-policy.js'
import { type DecidingRule, decide, type FlowEnd, loopbackVerdict, type PolicyFlow, type Verdict } from '../netpol/decide.js'
import { type PolicyWorld, policyWorld } from '../netpol/policy-world.js'

/** Everything in the cluster that decides about flows. */
export async function readPolicyWorld(client: Client, signal: AbortSignal): Promise<PolicyWorld> {
  const [podList, namespaceList, nodeList, policyList, clusterPolicies] = await Promise.all([
    client.list(pods, {}, signal),
    client.list(namespaces, {}, signal),
    client.list(nodes, {}, signal),
    client.list(networkpolicies, {}, signal),
    clusterPoliciesOf(client, signal),
  ])
  return policyWorld({
    pods: podList.items,
    namespaces: namespaceList.items,
    nodes: nodeList.items,
    policies: policyList.items,
    clusterPolicies,
  })
}

/** None in a cluster that does not know the kind. */
async function clusterPoliciesOf(client: Client, signal: AbortSignal): Promise<readonly ClusterNetworkPolicy[]> {
  try {
    return (await client.list(clusterNetworkPolicies, {}, signal)).items
  } catch (error) {
    if (isPodwireError(error, 'NOT_FOUND')) return []
    throw error
  }
}

/** The verdict on a connection between two addresses; that of a Pod with itself stays inside it. */
export function verdictBetween(
  {
    from,
    to,
    protocol,
    port,
  }: { readonly from: string; readonly to: string; readonly protocol: PolicyFlow['protocol']; readonly port: number | undefined },
  world: PolicyWorld,
): Verdict {
  const [source, target] = [endOf(from, world), endOf(to, world)]
  if (source.pod !== undefined && source.pod === target.pod) return loopbackVerdict
  return decide({ from: source, to: target, protocol, ...(protocol !== 'icmp' && port !== undefined && { port }) }, world)
}

function endOf(text: string, { pods }: PolicyWorld): FlowEnd {
  const ip: Ip = isIp(text) ? parseIp(text) : parseIp('0.0.0.0')
  const pod = pods.find(({ addresses }) => addresses.includes(ip))
  return { ip, ...(pod !== undefined && { pod }) }
}

/** What denies it: the policies at the end that does, and whether a rule said so or none allowed it. */
export function denialOf({
  egress,
  ingress,
}: Verdict): { readonly end: 'egress' | 'ingress'; readonly rules: readonly DecidingRule[] } | undefined {
  if (!egress.isAllowed) return { end: 'egress', rules: egress.rules }
  return ingress.isAllowed ? undefined : { end: 'ingress', rules: ingress.rules }
}
