import type { Endpoint } from './service-state.js'

/** An endpoint with all that choosing looks at. */
export interface Candidate extends Endpoint {
  readonly isReady: boolean
  readonly isServing: boolean
  readonly isTerminating: boolean
  /** Nodes and zones that EndpointSlice hints name; empty: no hint. */
  readonly nodeHints: readonly string[]
  readonly zoneHints: readonly string[]
}

/** Where the choice is made, and which of the two lists the Service needs. */
export interface ChoiceContext {
  readonly nodeName: string
  readonly zone: string | undefined
  readonly usesCluster: boolean
  readonly usesLocal: boolean
}

export interface Choice {
  readonly cluster: readonly Candidate[]
  readonly local: readonly Candidate[]
  readonly reachable: readonly Candidate[]
  readonly hasEndpoints: boolean
}

/**
 * Which endpoints count for each traffic policy: ready ones, else ones that still serve while terminating, for Cluster and Local each by itself.
 * Topology hints narrow the cluster list only when every ready endpoint carries one and this node or zone is named.
 * As kube-proxy does (pkg/proxy/topology.go, CategorizeEndpoints).
 */
export function chooseEndpoints(candidates: readonly Candidate[], context: ChoiceContext): Choice {
  const ready = candidates.filter(candidate => candidate.isReady)
  const lastResort = candidates.filter(candidate => !candidate.isReady && candidate.isServing && candidate.isTerminating)
  const usable = ready.length > 0 ? narrowByHints(ready, context) : lastResort
  const cluster = context.usesCluster ? usable : []
  const localReady = ready.filter(candidate => candidate.isLocal)
  const local = !context.usesLocal ? [] : localReady.length > 0 ? localReady : lastResort.filter(candidate => candidate.isLocal)
  return { cluster, local, reachable: union(cluster, local), hasEndpoints: usable.length > 0 }
}

function narrowByHints(ready: readonly Candidate[], { nodeName, zone }: ChoiceContext): readonly Candidate[] {
  const forNode = hintedFor(ready, candidate => candidate.nodeHints, nodeName)
  if (forNode !== undefined) return forNode
  return (zone === undefined ? undefined : hintedFor(ready, candidate => candidate.zoneHints, zone)) ?? ready
}

/** The candidates hinted for `name`; undefined when the hints must be ignored. */
function hintedFor(ready: readonly Candidate[], hintsOf: (candidate: Candidate) => readonly string[], name: string) {
  if (ready.some(candidate => hintsOf(candidate).length === 0)) return undefined
  const hinted = ready.filter(candidate => hintsOf(candidate).includes(name))
  return hinted.length > 0 ? hinted : undefined
}

function union(cluster: readonly Candidate[], local: readonly Candidate[]): readonly Candidate[] {
  if (local.length === 0) return cluster
  const missing = local.filter(candidate => !cluster.includes(candidate))
  return missing.length === 0 ? cluster : [...cluster, ...missing].sort(byAddressAndPort)
}

/** The order in which endpoints stand in states and rules, so that equal inputs give equal bytes. */
export const byAddressAndPort = (a: Endpoint, b: Endpoint): number =>
  a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port
