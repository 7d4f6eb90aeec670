import type { Pod, Service } from '../../api/generated/types.js'
import { keyOf, slicesOf } from '../explain/object-names.js'
import type { FindCause, Inquiry } from './inquiry.js'

/** Causes that the objects of the cluster themselves are. */

const serviceOf = ({ names, service }: Inquiry): Service | undefined => names.services.find(each => keyOf(each) === service?.key)

const isReady = ({ status }: Pod): boolean => (status?.conditions ?? []).some(each => each.type === 'Ready' && each.status === 'True')

const kubectl = (verb: string, kind: string, key: string): string => `kubectl ${verb} ${kind} -n ${key.replace('/', ' ')}`

/** A Service that leads nowhere, by the reason: its selector, its Pods' readiness, the name of its target port. */
export const noEndpoints: FindCause = inquiry => {
  const service = serviceOf(inquiry)
  if (service === undefined || inquiry.service!.endpoints.length > 0) return undefined
  const key = keyOf(service)
  const selector = Object.entries(service.spec?.selector ?? {})
  const text = selector.map(([label, value]) => `${label}=${value}`).join(',')
  const base = { where: `Service ${key}`, mend: kubectl('describe', 'service', key) }
  if (selector.length === 0) {
    const message = `Service ${key} has no selector and no EndpointSlice with a ready endpoint: nobody told whom it leads to`
    return { code: 'no-selector', message, evidence: ['selector: none'], ...base }
  }
  const pods = inquiry.names.pods.filter(
    ({ metadata }) =>
      metadata?.namespace === service.metadata?.namespace && selector.every(([label, value]) => metadata?.labels?.[label] === value),
  )
  if (pods.length === 0) {
    const message = `Service ${key} has no endpoints: no Pod in namespace ${service.metadata?.namespace} has the labels ${text}`
    return {
      code: 'no-endpoints',
      message,
      evidence: [`selector: ${text}`],
      ...base,
      mend: `kubectl get pods -n ${service.metadata?.namespace} --show-labels`,
    }
  }
  const ready = pods.filter(isReady)
  if (ready.length === 0) {
    const evidence = pods.map(pod => `pod ${keyOf(pod)}: ${whyNotReady(pod)}`)
    const message = `Service ${key} has no endpoint that is ready: ${pods.length === 1 ? 'its only Pod is' : `all its ${pods.length} Pods are`} not ready`
    return { code: 'endpoints-not-ready', message, evidence, ...base, mend: kubectl('describe', 'pod', keyOf(pods[0]!)) }
  }
  const port = (service.spec?.ports ?? []).find(each => each.port === inquiry.service!.port)
  if (typeof port?.targetPort === 'string') {
    const known = ready.flatMap(pod =>
      (pod.spec?.containers ?? []).flatMap(({ ports }) => (ports ?? []).map(each => each.name ?? String(each.containerPort))),
    )
    const message = `Service ${key} leads to a port named ${port.targetPort}, and no container of its Pods has one of that name`
    return {
      code: 'target-port-name',
      message,
      evidence: [`targetPort: ${port.targetPort}`, `ports of its Pods: ${[...new Set(known)].join(', ') || 'none'}`],
      ...base,
    }
  }
  const slices = slicesOf(inquiry.names, service).map(({ metadata }) => metadata?.name)
  const message = `Service ${key} has Pods that are ready and no endpoints: its EndpointSlices are not up to date`
  return { code: 'slices-behind', message, evidence: [`EndpointSlices: ${slices.join(', ') || 'none'}`], ...base }
}

function whyNotReady({ status }: Pod): string {
  const waiting = (status?.containerStatuses ?? []).map(({ state }) => state?.waiting?.reason).find(reason => reason !== undefined)
  const condition = (status?.conditions ?? []).find(({ type }) => type === 'Ready')
  return waiting ?? condition?.message ?? condition?.reason ?? status?.phase ?? 'not ready'
}

/** The node that is asked leads only to endpoints of its own, and has none. */
export const localPolicy: FindCause = ({ service, door, client, evidence, names, ...rest }) => {
  const object = serviceOf({ names, service, ...rest } as Inquiry)
  if (object === undefined || service === undefined) return undefined
  const node = door?.key ?? (client.kind === 'pod' ? client.node : client.key)
  const [field, isLocal] =
    door === undefined
      ? (['internalTrafficPolicy', object.spec?.internalTrafficPolicy === 'Local'] as const)
      : (['externalTrafficPolicy', object.spec?.externalTrafficPolicy === 'Local'] as const)
  if (!isLocal || !evidence.facts.hosts.has(node)) return undefined
  const nodes = slicesOf(names, object).flatMap(({ endpoints }) => (endpoints ?? []).map(({ nodeName }) => nodeName ?? '?'))
  if (nodes.includes(node) || nodes.length === 0) return undefined
  return {
    code: door === undefined ? 'internal-policy-local' : 'external-policy-local',
    message: `Service ${service.key} has ${field} Local: ${node} leads to endpoints of its own only, and has none`,
    where: node,
    evidence: [`${field}: Local`, `endpoints on: ${[...new Set(nodes)].join(', ')}`],
    mend: `ask ${[...new Set(nodes)].join(' or ')}, or set ${field}: Cluster`,
  }
}

/** The Pod itself answers that nobody listens. */
export const nobodyListens: FindCause = ({ outcome, server, reply, service, names, path }) => {
  const [answer] = reply
  const isFromPod = server !== undefined && answer?.owner === server.key && path.some(({ owner }) => owner === server.key)
  const { transport } = answer?.subject ?? {}
  const isRefusal = transport?.kind === 'tcp' ? transport.flags.includes('RST') : transport?.kind === 'icmp' && transport.type === 3
  if (outcome !== 'refused' || !isFromPod || !isRefusal) return undefined
  const port = path.findLast(({ owner }) => owner === server.key)?.headers.dport
  const pod = names.pods.find(each => keyOf(each) === server.key)
  const declared = (pod?.spec?.containers ?? []).flatMap(({ ports }) =>
    (ports ?? []).map(each => `${each.containerPort}${each.name === undefined ? '' : ` (${each.name})`}`),
  )
  const evidence = [
    `the answer: ${transport?.kind === 'tcp' ? `TCP ${transport.flags}` : 'ICMP port unreachable'} from pod ${server.key}`,
    `ports its containers name: ${declared.join(', ') || 'none'}`,
  ]
  if (service === undefined) {
    return {
      code: 'nobody-listens',
      message: `pod ${server.key} got the packet and nobody in it listens on port ${port}`,
      where: `pod ${server.key}`,
      evidence,
      mend: kubectl('logs', 'pod', server.key).replace(' pod', ''),
    }
  }
  return {
    code: 'wrong-target-port',
    message: `Service ${service.key} leads to port ${port} of its Pods, and nobody in pod ${server.key} listens there`,
    where: `Service ${service.key}`,
    evidence,
    mend: kubectl('edit', 'service', service.key),
  }
}
