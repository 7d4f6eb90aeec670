import { type FieldProblem, forbidden, invalid, invalidAll, required } from '../field-problem.js'
import { oneOf } from '../field-rules.js'
import type { Service, ServicePort, ServiceSpec } from '../generated/types.js'
import { checkDns1035Label, checkDnsLabel, checkDnsSubdomain, checkPortName, checkPortNumber } from '../name-format.js'
import type { Strategy } from '../resource-type.js'
import { validateImmutable, validateLabels, validateUnique } from '../validate-meta.js'
import { plainStrategy } from './plain-strategy.js'

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
/** Three hours, upstream's default for ClientIP affinity. */
const affinitySeconds = 10_800

/** True for Services that own node ports. */
export const usesNodePorts = (spec: ServiceSpec): boolean =>
  spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)
/** True for Services that own a cluster IP; `None` and external names own none. */
export const usesClusterIp = (spec: ServiceSpec): boolean => spec.type !== 'ExternalName' && spec.clusterIP !== 'None'

/** IPv4 single stack; addresses and node ports are allocated by the API server. */
export const serviceStrategy: Strategy<Service> = {
  ...plainStrategy,
  checkName: checkDns1035Label,

  setDefaults({ spec }) {
    if (!spec) return
    spec.sessionAffinity ||= 'None'
    spec.type ||= 'ClusterIP'
    if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
    else if (spec.sessionAffinity === 'ClientIP') spec.sessionAffinityConfig ??= { clientIP: { timeoutSeconds: affinitySeconds } }
    for (const port of spec.ports ?? []) {
      port.protocol ||= 'TCP'
      if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port
    }
    if (spec.type === 'ExternalName') return
    if (spec.type !== 'ClusterIP') spec.externalTrafficPolicy ||= 'Cluster'
    if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true
    spec.internalTrafficPolicy ??= 'Cluster'
    spec.ipFamilyPolicy ??= 'SingleStack'
    spec.ipFamilies ??= ['IPv4']
    if (spec.clusterIP === undefined && spec.clusterIPs?.[0] !== undefined) spec.clusterIP = spec.clusterIPs[0]
    if (spec.clusterIP) spec.clusterIPs ??= [spec.clusterIP]
  },

  prepareCreate(service) {
    service.status = { loadBalancer: {} }
  },

  /** What the writer leaves out stays: addresses, and the node port of each port that goes on. */
  prepareUpdate({ spec }, { spec: previous }) {
    if (!spec || !previous || spec.type === 'ExternalName') {
      if (spec?.type === 'ExternalName' && spec.clusterIP === previous?.clusterIP) {
        delete spec.clusterIP
        delete spec.clusterIPs
      }
      return
    }
    if (!spec.clusterIP && previous.clusterIP && previous.type !== 'ExternalName') spec.clusterIP = previous.clusterIP
    if (spec.clusterIP) spec.clusterIPs = [spec.clusterIP, ...(spec.clusterIPs?.slice(1) ?? [])]
    if (!usesNodePorts(spec)) {
      // A change of type gives up node ports that were given out, unless the writer asks for others.
      for (const port of spec.ports ?? []) {
        if (usesNodePorts(previous) && previous.ports?.some(({ nodePort }) => nodePort === port.nodePort)) delete port.nodePort
      }
      if (spec.type === 'ClusterIP' && !spec.externalIPs?.length && spec.externalTrafficPolicy === previous.externalTrafficPolicy) {
        delete spec.externalTrafficPolicy
      }
      return
    }
    for (const port of spec.ports ?? []) {
      if (port.nodePort) continue
      const same = previous.ports?.find(other => other.port === port.port && other.protocol === port.protocol)
      if (same?.nodePort && !spec.ports?.some(({ nodePort }) => nodePort === same.nodePort)) port.nodePort = same.nodePort
    }
  },

  validate({ spec }) {
    if (!spec) return [required('spec')]
    const problems: FieldProblem[] = [
      ...oneOf(spec.type, types, 'spec.type'),
      ...oneOf(spec.sessionAffinity, ['ClientIP', 'None'], 'spec.sessionAffinity'),
      ...validateLabels(spec.selector, 'spec.selector'),
      ...validatePorts(spec),
    ]
    if (spec.type === 'ExternalName') {
      if (!spec.externalName) problems.push(required('spec.externalName'))
      else problems.push(...invalidAll('spec.externalName', spec.externalName, checkDnsSubdomain(spec.externalName.replace(/\.$/, ''))))
      if (spec.clusterIP) problems.push(forbidden('spec.clusterIPs[0]', 'may not be set for ExternalName services'))
      return problems
    }
    if (spec.clusterIP && spec.clusterIP !== 'None' && !isIpv4(spec.clusterIP)) {
      problems.push(invalid('spec.clusterIPs[0]', spec.clusterIP, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'))
    }
    if (spec.clusterIPs && spec.clusterIPs[0] !== spec.clusterIP) {
      problems.push(invalid('spec.clusterIPs', spec.clusterIPs, 'first value must match `clusterIP`'))
    }
    if (spec.clusterIP === 'None' && usesNodePorts(spec)) {
      problems.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`))
    }
    if (spec.ipFamilyPolicy !== undefined) {
      problems.push(...oneOf(spec.ipFamilyPolicy, ['SingleStack', 'PreferDualStack', 'RequireDualStack'], 'spec.ipFamilyPolicy'))
    }
    if (spec.ipFamilyPolicy === 'RequireDualStack' || spec.ipFamilies?.some(family => family !== 'IPv4')) {
      problems.push(invalid('spec.ipFamilies', spec.ipFamilies, 'this cluster has IPv4 only'))
    }
    problems.push(...oneOf(spec.internalTrafficPolicy, ['Cluster', 'Local'], 'spec.internalTrafficPolicy'))
    if (spec.externalTrafficPolicy !== undefined) {
      if (spec.type === 'ClusterIP' && !spec.externalIPs?.length) {
        problems.push(
          invalid('spec.externalTrafficPolicy', spec.externalTrafficPolicy, 'may only be set for externally-accessible services'),
        )
      } else problems.push(...oneOf(spec.externalTrafficPolicy, ['Cluster', 'Local'], 'spec.externalTrafficPolicy'))
    }
    const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds
    if (timeout !== undefined && (timeout <= 0 || timeout > 86_400)) {
      problems.push(invalid('spec.sessionAffinityConfig.clientIP.timeoutSeconds', timeout, 'must be greater than 0 and less than 86400'))
    }
    spec.externalIPs?.forEach((address, i) => {
      if (!isIpv4(address))
        problems.push(invalid(`spec.externalIPs[${i}]`, address, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'))
    })
    return problems
  },

  validateUpdate({ spec }, { spec: previous }) {
    if (!spec || !previous || spec.type === 'ExternalName' || previous.type === 'ExternalName' || !previous.clusterIP) return []
    const changed = validateImmutable(spec.clusterIP, previous.clusterIP, 'spec.clusterIPs[0]')
    return changed.map(() => invalid('spec.clusterIPs[0]', spec.clusterIPs ?? null, 'may not change once set'))
  },

  selectableFields: ({ spec }) => ({ 'spec.clusterIP': spec?.clusterIP ?? '', 'spec.type': spec?.type ?? '' }),
}

function validatePorts(spec: ServiceSpec): FieldProblem[] {
  const ports = spec.ports ?? []
  const problems: FieldProblem[] = []
  if (ports.length === 0 && spec.type !== 'ExternalName' && spec.clusterIP !== 'None') problems.push(required('spec.ports'))
  ports.forEach((port, i) => {
    problems.push(...validatePort(port, `spec.ports[${i}]`, ports.length > 1, spec))
  })
  problems.push(
    ...validateUnique(
      ports.map(({ name }) => name),
      i => `spec.ports[${i}].name`,
    ),
  )
  problems.push(
    ...ports.flatMap((port, i) =>
      ports.findIndex(other => other.port === port.port && other.protocol === port.protocol) < i
        ? [
            {
              reason: 'FieldValueDuplicate' as const,
              field: `spec.ports[${i}]`,
              message: `Duplicate value: ${JSON.stringify({ port: port.port, protocol: port.protocol })}`,
            },
          ]
        : [],
    ),
  )
  return problems
}

function validatePort(port: ServicePort, field: string, nameNeeded: boolean, spec: ServiceSpec): FieldProblem[] {
  const problems: FieldProblem[] = []
  if (!port.name && nameNeeded) problems.push(required(`${field}.name`))
  else if (port.name) problems.push(...invalidAll(`${field}.name`, port.name, checkDnsLabel(port.name)))
  problems.push(...invalidAll(`${field}.port`, port.port ?? 0, checkPortNumber(port.port ?? 0)))
  problems.push(...oneOf(port.protocol, ['SCTP', 'TCP', 'UDP'], `${field}.protocol`))
  const { targetPort } = port
  if (typeof targetPort === 'number') problems.push(...invalidAll(`${field}.targetPort`, targetPort, checkPortNumber(targetPort)))
  else if (targetPort !== undefined) problems.push(...invalidAll(`${field}.targetPort`, targetPort, checkPortName(targetPort)))
  if (port.nodePort && (spec.type === 'ClusterIP' || spec.type === 'ExternalName')) {
    problems.push(forbidden(`${field}.nodePort`, `may not be used when \`type\` is '${spec.type}'`))
  }
  return problems
}

const isIpv4 = (text: string): boolean =>
  /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split('.').every(part => Number(part) <= 255 && String(Number(part)) === part)
