import { endpointslices, pods, services } from '../../api/generated/resources.js'
import type { EndpointSlice } from '../../api/generated/types.js'
import { PodwireError } from '../../base/errors/podwire-error.js'
import type { IpFamily } from '../../base/net/address.js'
import type { FlowRecord, MatrixRecord, RunRecord } from '../../base/results/run-record.js'
import { podAddress } from '../bind.js'
import type { FlowLab } from '../flow-lab.js'
import type { FlowRunOptions } from '../flow-run.js'
import { withFlowSession } from '../flow-session.js'
import { readPolicyWorld, verdictBetween } from '../read-policy-world.js'
import { runFlows } from '../run-flows.js'
import { type ClusterObjects, planVerification, type VerifiedPair } from './plan-verification.js'

export interface VerifyOptions extends Omit<FlowRunOptions, 'batches' | 'settleMs'> {
  /** Only Pods and Services of this namespace; all when absent. */
  readonly namespace: string | undefined
  /** Whose addresses are asked and sent from. */
  readonly family: IpFamily
}

/** What a verification found, with what it did not ask. */
export interface VerifyReport {
  readonly record: RunRecord
  readonly leftOut: readonly string[]
}

/** The objects are taken as they are; a change that is under way gets this long. */
const settleMs = 2_000

/**
 * Predicts verdict and way of all pairs of the cluster, sends the packets and compares.
 * Errors: NOT_FOUND when there is nobody to ask, KERNEL_UNSUPPORTED when the lab has no addresses of the family; as `runFlows`.
 */
export async function verify({ namespace, family, ...options }: VerifyOptions, signal: AbortSignal): Promise<VerifyReport> {
  if (family === 6 && !options.lab.dualStack) {
    throw new PodwireError('KERNEL_UNSUPPORTED', `lab ${options.lab.name} has no IPv6 addresses`, {
      hint: 'Write "ipFamily: dual" into its lab.yaml.',
    })
  }
  const facts = await withFlowSession(options, signal, session => session.facts(family))
  const { batches, leftOut } = planVerification(await readObjects(options, family, signal), facts, namespace)
  const pairs = batches.flat()
  if (pairs.length === 0) {
    throw new PodwireError('NOT_FOUND', `there is no ready Pod${namespace === undefined ? '' : ` in namespace ${namespace}`} to ask`, {
      hint: `kubectl get pods ${namespace === undefined ? '-A' : `-n ${namespace}`}`,
    })
  }
  const record = await runFlows({ ...options, batches: batches.map(batch => batch.map(({ document }) => document)), settleMs }, signal)
  return { record: { ...record, matrices: matricesOf(pairs, record.flows) }, leftOut }
}

async function readObjects(
  { client, lab }: Pick<FlowLab, 'client' | 'lab'>,
  family: IpFamily,
  signal: AbortSignal,
): Promise<ClusterObjects> {
  const [world, podList, serviceList, sliceList] = await Promise.all([
    lab.policy ? readPolicyWorld(client, signal) : undefined,
    client.list(pods, {}, signal),
    client.list(services, {}, signal),
    client.list(endpointslices, {}, signal),
  ])
  const slices = sliceList.items.filter(({ addressType }) => addressType === `IPv${family}`)
  const served = new Map<string, Set<string>>()
  for (const slice of slices) {
    const nodes = nodesOf(slice)
    if (nodes.length > 0) served.set(serviceOf(slice), new Set([...(served.get(serviceOf(slice)) ?? []), ...nodes]))
  }
  const foreign = new Set(slices.filter(leadsElsewhere).map(serviceOf))
  const endpointsOf = (key: string, port: number) => {
    const service = serviceList.items.find(({ metadata }) => `${metadata?.namespace}/${metadata?.name}` === key)
    const name = service?.spec?.ports?.find(each => each.port === port)?.name ?? ''
    return slices.filter(slice => serviceOf(slice) === key).flatMap(slice => readyEndpoints(slice, name))
  }
  const isAllowed: ClusterObjects['isAllowed'] = (from, { ip, port, protocol }) =>
    world === undefined || verdictBetween({ from: podAddress(from, family) ?? '', to: ip, protocol, port }, world).isAllowed
  return { pods: podList.items, services: serviceList.items, served, foreign, endpointsOf, isAllowed }
}

function readyEndpoints({ ports, endpoints }: EndpointSlice, name: string): readonly { readonly ip: string; readonly port: number }[] {
  const port = (ports ?? []).find(each => (each.name ?? '') === name)?.port
  if (port === undefined) return []
  return (endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses }) => addresses.map(ip => ({ ip, port })))
}

const leadsElsewhere = ({ endpoints }: EndpointSlice): boolean => (endpoints ?? []).some(({ targetRef }) => targetRef?.kind !== 'Pod')

/** The nodes of its endpoints that are ready; an endpoint outside the cluster is on none. */
const nodesOf = ({ endpoints }: EndpointSlice): readonly string[] =>
  (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false).map(({ nodeName }) => nodeName ?? '')

const serviceOf = ({ metadata }: EndpointSlice): string =>
  `${metadata?.namespace}/${metadata?.labels?.['kubernetes.io/service-name'] ?? ''}`

/** One matrix for Pods, one for hosts outside: their columns are others. */
function matricesOf(pairs: readonly VerifiedPair[], flows: readonly FlowRecord[]): MatrixRecord[] {
  const byName = new Map(flows.map(flow => [flow.name, flow]))
  const isFromPod = ({ from }: VerifiedPair): boolean => from.includes('/')
  return [
    { name: 'from Pods', some: pairs.filter(isFromPod) },
    { name: 'from outside', some: pairs.filter(pair => !isFromPod(pair)) },
  ].flatMap(({ name, some }) => {
    if (some.length === 0) return []
    const rows = [...new Set(some.map(({ from }) => from))].sort()
    const columns = [...new Set(some.map(({ to }) => to))]
    const cells = some.map(({ from, to, expected, document }) => {
      const flow = document.test.metadata.name
      const { outcome, verdict = 'error' as const } = byName.get(flow) ?? {}
      const seen =
        outcome === 'delivered' ? ('.' as const) : outcome === undefined || outcome === 'not sent' ? ('#' as const) : ('X' as const)
      return { row: rows.indexOf(from), column: columns.indexOf(to), expected, seen, verdict, flow }
    })
    return [{ name, rows, columns, cells }]
  })
}
