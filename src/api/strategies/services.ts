import { isIp, parseInterfaceAddress } from '../../base/net/address.js'
import { type FieldProblem, forbidden, invalid, invalidAll, required } from '../field-problem.js'
import { oneOf } from '../field-rules.js'
import type { Service, ServicePort, ServiceSpec } from '../generated/types.js'
import { type Draft, jsonEqual } from '../json.js'
import { checkDns1035Label, checkDnsLabel, checkDnsSubdomain, checkPortName, checkPortNumber } from '../name-format.js'
import type { Strategy } from '../resource-type.js'
import { validateImmutable, validateLabels, validateUnique } from '../validate-meta.js'
import { plainStrategy } from './plain-strategy.js'

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
/** Three hours, upstream's default for ClientIP affinity. */
const affinitySeconds = 10_800

const badAddress = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'

/** True for Services that get a node port for each port. */
export const usesNodePorts = (spec: ServiceSpec): boolean =>
  spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)
/** True for Services that own a cluster IP; `None` and external names own none. */
export const usesClusterIp = (spec: ServiceSpec): boolean => spec.type !== 'ExternalName' && spec.clusterIP !== 'None'
/** True for Services whose load balancer must be told which nodes have endpoints. */
export const needsHealthCheckPort = (spec: ServiceSpec): boolean => spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'
const isReachableFromOutside = (spec: ServiceSpec): boolean =>
  spec.type === 'NodePort' || spec.type === 'LoadBalancer' || (spec.type === 'ClusterIP' && Boolean(spec.externalIPs?.length))

/** Addresses, families and node ports are settled by the API server, which knows what the cluster has. */
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
    if (isReachableFromOutside(spec)) spec.externalTrafficPolicy ||= 'Cluster'
    if (spec.type === 'ExternalName') return
    if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true
    spec.internalTrafficPolicy ??= 'Cluster'
    if (spec.clusterIP === undefined && spec.clusterIPs?.[0] !== undefined) spec.clusterIP = spec.clusterIPs[0]
    if (spec.clusterIP) spec.clusterIPs ??= [spec.clusterIP]
  },

  prepareCreate(service) {
    service.status = { loadBalancer: {} }
  },

  /** What the writer leaves out stays, and what a former type alone had goes, unless the writer asks for others. */
  prepareUpdate({ spec }, { spec: previous }) {
    if (!spec || !previous) return
    dropWhatTypeHad(spec, previous)
    if (spec.type === 'ExternalName') return
    if (!spec.clusterIP && previous.clusterIP && previous.type !== 'ExternalName') spec.clusterIP = previous.clusterIP
    // Older clients change the first address by its first name only.
    if (spec.clusterIP !== previous.clusterIP && spec.clusterIP && jsonEqual(spec.clusterIPs, previous.clusterIPs)) {
      spec.clusterIPs = [spec.clusterIP]
    }
    if (needsHealthCheckPort(spec) && needsHealthCheckPort(previous)) spec.healthCheckNodePort ||= previous.healthCheckNodePort ?? 0
    if (!usesNodePorts(spec)) return
    for (const port of spec.ports ?? []) {
      if (port.nodePort) continue
      const same = previous.ports?.find(other => other.port === port.port && (other.protocol ?? 'TCP') === (port.protocol ?? 'TCP'))
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
      ...oneOf(spec.internalTrafficPolicy, ['Cluster', 'Local'], 'spec.internalTrafficPolicy'),
      ...validateOutside(spec),
      ...oneOf(spec.trafficDistribution, ['PreferClose', 'PreferSameNode', 'PreferSameZone'], 'spec.trafficDistribution'),
    ]
    if (spec.type === 'ExternalName') {
      if (!spec.externalName) problems.push(required('spec.externalName'))
      else problems.push(...invalidAll('spec.externalName', spec.externalName, checkDnsSubdomain(spec.externalName.replace(/\.$/, ''))))
      for (const field of ['clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const) {
        if (spec[field]?.length) problems.push(forbidden(`spec.${field}`, 'may not be set for ExternalName services'))
      }
      if (spec.clusterIP) problems.push(forbidden('spec.clusterIPs[0]', 'may not be set for ExternalName services'))
      return problems
    }
    if (spec.clusterIPs?.length && spec.clusterIPs[0] !== spec.clusterIP) {
      problems.push(invalid('spec.clusterIPs', spec.clusterIPs, 'first value must match `clusterIP`'))
    }
    spec.clusterIPs?.forEach((address, i) => {
      const at = `spec.clusterIPs[${i}]`
      if (i === 0 && (address === 'None' || address === '')) return
      if (i > 0 && spec.clusterIPs?.[0] === 'None')
        problems.push(invalid('spec.clusterIPs', spec.clusterIPs, "'None' must be the first and only value"))
      else if (!isIp(address)) problems.push(invalid(at, address, badAddress))
    })
    if ((spec.clusterIPs?.length ?? 0) > 2) problems.push(invalid('spec.clusterIPs', spec.clusterIPs, 'may only hold up to 2 values'))
    if (spec.clusterIP === 'None' && (spec.type === 'NodePort' || spec.type === 'LoadBalancer')) {
      problems.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`))
    }
    const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds
    if (spec.sessionAffinity === 'ClientIP' && timeout === undefined) {
      problems.push(required('spec.sessionAffinityConfig', `when session affinity type is ${spec.sessionAffinity}`))
    }
    if (timeout !== undefined && (timeout <= 0 || timeout > 86_400)) {
      problems.push(invalid('spec.sessionAffinityConfig.clientIP.timeoutSeconds', timeout, 'must be greater than 0 and less than 86400'))
    }
    return problems
  },

  validateUpdate({ spec }, { spec: previous }) {
    if (spec?.type !== 'LoadBalancer' || previous?.type !== 'LoadBalancer') return []
    return validateImmutable(spec.loadBalancerClass, previous.loadBalancerClass, 'spec.loadBalancerClass').map(problem => ({
      ...problem,
      message: problem.message.replace('field is immutable', 'may not change once set'),
    }))
  },

  selectableFields: ({ spec }) => ({ 'spec.clusterIP': spec?.clusterIP ?? '', 'spec.type': spec?.type ?? '' }),
}

/** Fields that only some types have go with the type when the writer hands them back as they were. */
function dropWhatTypeHad(spec: Draft<ServiceSpec>, previous: ServiceSpec): void {
  const same = (field: keyof ServiceSpec): boolean => jsonEqual(spec[field] ?? null, previous[field] ?? null)
  if (spec.type === 'ExternalName' && previous.type !== 'ExternalName') {
    if (same('clusterIPs') || (same('clusterIP') && spec.clusterIPs === undefined)) {
      delete spec.clusterIP
      delete spec.clusterIPs
    }
    if (same('ipFamilies')) delete spec.ipFamilies
    if (same('ipFamilyPolicy')) delete spec.ipFamilyPolicy
    if (same('internalTrafficPolicy')) delete spec.internalTrafficPolicy
  }
  const mayNamePorts = spec.type === 'NodePort' || spec.type === 'LoadBalancer'
  if (!mayNamePorts) {
    for (const port of spec.ports ?? []) {
      if (previous.ports?.some(({ nodePort }) => nodePort && nodePort === port.nodePort)) delete port.nodePort
    }
  }
  if (!needsHealthCheckPort(spec) && needsHealthCheckPort(previous) && same('healthCheckNodePort')) delete spec.healthCheckNodePort
  if (spec.type !== 'LoadBalancer' && previous.type === 'LoadBalancer') {
    if (same('allocateLoadBalancerNodePorts')) delete spec.allocateLoadBalancerNodePorts
    if (same('loadBalancerClass')) delete spec.loadBalancerClass
  }
  const isOutside = isReachableFromOutside(spec)
  if (!isOutside && isReachableFromOutside(previous) && same('externalTrafficPolicy')) delete spec.externalTrafficPolicy
}

/** What only Services have that are reached from outside the cluster. */
function validateOutside(spec: ServiceSpec): FieldProblem[] {
  const problems: FieldProblem[] = []
  const { externalTrafficPolicy: policy, healthCheckNodePort: port, loadBalancerClass } = spec
  if (policy !== undefined && !isReachableFromOutside(spec)) {
    problems.push(invalid('spec.externalTrafficPolicy', policy, 'may only be set for externally-accessible services'))
  } else problems.push(...oneOf(policy, ['Cluster', 'Local'], 'spec.externalTrafficPolicy'))
  if (port && !needsHealthCheckPort(spec)) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
    problems.push(invalid('spec.healthCheckNodePort', port, detail))
  }
  if (spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts !== undefined) {
      problems.push(forbidden('spec.allocateLoadBalancerNodePorts', "may only be used when `type` is 'LoadBalancer'"))
    }
    if (loadBalancerClass !== undefined)
      problems.push(forbidden('spec.loadBalancerClass', "may only be used when `type` is 'LoadBalancer'"))
  }
  spec.externalIPs?.forEach((address, i) => {
    if (!isIp(address)) problems.push(invalid(`spec.externalIPs[${i}]`, address, badAddress))
    else if (/^(127\.|169\.254\.|::1$|fe80:)/i.test(address)) {
      problems.push(invalid(`spec.externalIPs[${i}]`, address, 'may not be in the loopback or link-local range'))
    }
  })
  spec.loadBalancerSourceRanges?.forEach((range, i) => {
    if (!isRange(range.trim())) {
      problems.push(
        invalid(`spec.loadBalancerSourceRanges[${i}]`, range, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'),
      )
    }
  })
  return problems
}

function isRange(text: string): boolean {
  try {
    return parseInterfaceAddress(text).prefix >= 0
  } catch {
    return false
  }
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
