import { cidrContains, cidrParts, ipFromBytes, ipToBytes, isIp, parseInterfaceAddress, parseIp } from '../../base/net/address.js'
import { type FieldProblem, forbidden, invalid, invalidAll, required } from '../field-problem.js'
import { namedBy, oneOf } from '../field-rules.js'
import type {
  Ingress,
  IngressBackend,
  IngressClass,
  IPAddress,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  ServiceCIDR,
} from '../generated/types.js'
import { checkDns1035Label, checkDnsSubdomain, checkPortName, checkPortNumber } from '../name-format.js'
import type { Strategy } from '../resource-type.js'
import { validateImmutable, validateLabelSelector } from '../validate-meta.js'
import { plainStrategy } from './plain-strategy.js'

const protocols = ['SCTP', 'TCP', 'UDP']
const badAddress = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
const badRange = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'

/** The range a text names, host bits and all; undefined when it names none. */
function rangeOf(text: string): ReturnType<typeof parseInterfaceAddress> | undefined {
  try {
    return parseInterfaceAddress(text)
  } catch {
    return undefined
  }
}

export const networkPolicyStrategy: Strategy<NetworkPolicy> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ spec }) {
    if (!spec) return
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) for (const port of rule.ports ?? []) port.protocol ??= 'TCP'
    if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress']
    spec.podSelector ??= {}
  },
  validate({ spec }) {
    const problems: FieldProblem[] = validateLabelSelector(spec?.podSelector, 'spec.podSelector')
    spec?.ingress?.forEach(({ ports = [], from = [] }, i) => {
      problems.push(...ports.flatMap((port, j) => validatePolicyPort(port, `spec.ingress[${i}].ports[${j}]`)))
      problems.push(...from.flatMap((peer, j) => validatePeer(peer, `spec.ingress[${i}].from[${j}]`)))
    })
    spec?.egress?.forEach(({ ports = [], to = [] }, i) => {
      problems.push(...ports.flatMap((port, j) => validatePolicyPort(port, `spec.egress[${i}].ports[${j}]`)))
      problems.push(...to.flatMap((peer, j) => validatePeer(peer, `spec.egress[${i}].to[${j}]`)))
    })
    const types = spec?.policyTypes ?? []
    if (types.length > 2) problems.push(invalid('spec.policyTypes', types, 'may not specify more than two policyTypes'))
    problems.push(...types.flatMap((type, i) => oneOf(type, ['Egress', 'Ingress'], `spec.policyTypes[${i}]`)))
    return problems
  },
}

function validatePolicyPort({ protocol, port, endPort }: NetworkPolicyPort, field: string): FieldProblem[] {
  const problems = oneOf(protocol, protocols, `${field}.protocol`)
  if (typeof port === 'number') {
    problems.push(...invalidAll(`${field}.port`, port, checkPortNumber(port)))
    if (endPort !== undefined && endPort < port) {
      problems.push(invalid(`${field}.endPort`, endPort, 'must be greater than or equal to `port`'))
    }
    if (endPort !== undefined) problems.push(...invalidAll(`${field}.endPort`, endPort, checkPortNumber(endPort)))
  } else if (port !== undefined) {
    problems.push(...invalidAll(`${field}.port`, port, checkPortName(port)))
    if (endPort !== undefined) problems.push(invalid(`${field}.endPort`, endPort, 'may not be specified when `port` is non-numeric'))
  } else if (endPort !== undefined) {
    problems.push(invalid(`${field}.endPort`, endPort, 'may not be specified when `port` is not specified'))
  }
  return problems
}

function validatePeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, field: string): FieldProblem[] {
  if (!podSelector && !namespaceSelector && !ipBlock) return [required(field, 'must specify a peer')]
  const problems = [
    ...(podSelector ? validateLabelSelector(podSelector, `${field}.podSelector`) : []),
    ...(namespaceSelector ? validateLabelSelector(namespaceSelector, `${field}.namespaceSelector`) : []),
  ]
  if (!ipBlock) return problems
  if (podSelector || namespaceSelector) return [...problems, forbidden(field, 'may not specify both ipBlock and another peer')]
  if (!ipBlock.cidr) return [...problems, required(`${field}.ipBlock.cidr`)]
  const outer = rangeOf(ipBlock.cidr)
  if (!outer) return [...problems, invalid(`${field}.ipBlock.cidr`, ipBlock.cidr, badRange)]
  ipBlock.except?.forEach((text, i) => {
    const at = `${field}.ipBlock.except[${i}]`
    const inner = rangeOf(text)
    if (!inner) problems.push(invalid(at, text, badRange))
    else if (inner.prefix <= outer.prefix || !cidrContains(outer.cidr, inner.ip)) {
      problems.push(invalid(at, text, 'must be a strict subset of `cidr`'))
    }
  })
  return problems
}

export const ingressStrategy: Strategy<Ingress> = {
  ...plainStrategy,
  hasGeneration: true,
  prepareCreate(ingress) {
    ingress.status = { loadBalancer: {} }
  },
  validate({ metadata, spec }) {
    const problems: FieldProblem[] = []
    if (!spec?.rules?.length && !spec?.defaultBackend) {
      problems.push(invalid('spec', spec?.rules ?? [], 'either `defaultBackend` or `rules` must be specified'))
    }
    if (spec?.defaultBackend) problems.push(...validateBackend(spec.defaultBackend, 'spec.defaultBackend'))
    if (spec?.ingressClassName !== undefined) {
      problems.push(...invalidAll('spec.ingressClassName', spec.ingressClassName, checkDnsSubdomain(spec.ingressClassName)))
    }
    if (spec?.ingressClassName !== undefined && metadata?.annotations?.['kubernetes.io/ingress.class'] && !metadata.creationTimestamp) {
      problems.push(invalid('annotations', 'kubernetes.io/ingress.class', 'can not be set when the class field is also set'))
    }
    spec?.rules?.forEach(({ host, http }, i) => {
      const at = `spec.rules[${i}]`
      if (host) problems.push(...validateHost(host, `${at}.host`))
      if (!http) return
      if (!http.paths?.length) problems.push(required(`${at}.http.paths`))
      http.paths?.forEach(({ path, pathType, backend }, j) => {
        const place = `${at}.http.paths[${j}]`
        if (!pathType) problems.push(required(`${place}.pathType`, 'pathType must be specified'))
        else problems.push(...oneOf(pathType, ['Exact', 'ImplementationSpecific', 'Prefix'], `${place}.pathType`))
        if ((pathType === 'Exact' || pathType === 'Prefix') && !path?.startsWith('/')) {
          problems.push(invalid(`${place}.path`, path ?? '', 'must be an absolute path'))
        } else if (pathType === 'ImplementationSpecific' && path && !path.startsWith('/')) {
          problems.push(invalid(`${place}.path`, path, 'must be an absolute path'))
        }
        if (pathType === 'Exact' || pathType === 'Prefix') {
          for (const part of ['//', '/./', '/../', '%2f', '%2F']) {
            if (path?.includes(part)) problems.push(invalid(`${place}.path`, path, `must not contain '${part}'`))
          }
        }
        problems.push(...validateBackend(backend, `${place}.backend`))
      })
    })
    spec?.tls?.forEach(({ hosts = [] }, i) => {
      hosts.forEach((host, j) => {
        problems.push(...validateHost(host, `spec.tls[${i}].hosts[${j}]`))
      })
    })
    return problems
  },
}

function validateHost(host: string, field: string): FieldProblem[] {
  if (isIp(host)) return [invalid(field, host, 'must be a DNS name, not an IP address')]
  if (!host.includes('*')) return invalidAll(field, host, checkDnsSubdomain(host))
  if (!host.startsWith('*.') || host.slice(2).includes('*')) {
    return [
      invalid(
        field,
        host,
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ),
    ]
  }
  return invalidAll(field, host, checkDnsSubdomain(host.slice(2)))
}

function validateBackend({ service, resource }: IngressBackend = {}, field: string): FieldProblem[] {
  if (service && resource) return [invalid(field, '', 'cannot set both resource and service backends')]
  if (resource) {
    return [...(resource.kind ? [] : [required(`${field}.resource.kind`)]), ...(resource.name ? [] : [required(`${field}.resource.name`)])]
  }
  if (!service) return [required(field, 'resource or service backend is required')]
  const problems = namedBy(service.name, checkDns1035Label, `${field}.service.name`)
  const { name, number } = service.port ?? {}
  const at = `${field}.service.port`
  if (name && number) problems.push(invalid(field, '', 'cannot set both port name & port number'))
  else if (name) problems.push(...invalidAll(`${at}.name`, name, checkPortName(name)))
  else if (number) problems.push(...invalidAll(`${at}.number`, number, checkPortNumber(number)))
  else problems.push(required(field, 'port name or number is required'))
  return problems
}

export const ingressClassStrategy: Strategy<IngressClass> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ spec }) {
    if (spec?.parameters) spec.parameters.scope ??= 'Cluster'
  },
  validate({ spec }) {
    const { controller, parameters } = spec ?? {}
    const problems: FieldProblem[] = []
    if (!controller) problems.push(required('spec.controller'))
    else {
      const [domain = '', ...path] = controller.split('/')
      if (path.join('/') === '') {
        problems.push(invalid('spec.controller', controller, 'must be a domain-prefixed path (such as "acme.io/foo")'))
      } else problems.push(...invalidAll('spec.controller', domain, checkDnsSubdomain(domain)))
    }
    if (!parameters) return problems
    if (!parameters.kind) problems.push(required('spec.parameters.kind', 'kind is required'))
    if (!parameters.name) problems.push(required('spec.parameters.name', 'name is required'))
    problems.push(...oneOf(parameters.scope, ['Cluster', 'Namespace'], 'spec.parameters.scope'))
    if (parameters.scope === 'Namespace' && !parameters.namespace) {
      problems.push(required('spec.parameters.namespace', "`parameters.scope` is set to 'Namespace'"))
    }
    if (parameters.scope === 'Cluster' && parameters.namespace) {
      problems.push(forbidden('spec.parameters.namespace', "`parameters.scope` is set to 'Cluster'"))
    }
    return problems
  },
  validateUpdate: ({ spec }, { spec: previous }) => validateImmutable(spec?.controller, previous?.controller, 'spec.controller'),
}

export const serviceCidrStrategy: Strategy<ServiceCIDR> = {
  ...plainStrategy,
  validate({ spec }) {
    const cidrs = spec?.cidrs ?? []
    const problems: FieldProblem[] = []
    if (cidrs.length === 0) problems.push(required('spec.cidrs', 'at least one CIDR required'))
    if (cidrs.length > 2) problems.push(invalid('spec', spec, 'may only hold up to 2 values'))
    const ranges = cidrs.map((text, i) => {
      const range = rangeOf(text)
      if (!range) problems.push(invalid(`spec.cidrs[${i}]`, text, badRange))
      else if (`${range.ip}/${range.prefix}` !== range.cidr || text !== range.cidr) {
        problems.push(invalid(`spec.cidrs[${i}]`, text, `must be in canonical form ("${range.cidr}")`))
      }
      return range
    })
    if (ranges.length === 2 && ranges[0] && ranges[1] && cidrParts(ranges[0].cidr).family === cidrParts(ranges[1].cidr).family) {
      problems.push(
        invalid('spec.cidrs', cidrs, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/96'),
      )
    }
    return problems
  },
  validateUpdate: ({ spec }, { spec: previous }) => validateImmutable(spec?.cidrs, previous?.cidrs, 'spec.cidrs'),
}

export const ipAddressStrategy: Strategy<IPAddress> = {
  ...plainStrategy,
  checkName: text => (isCanonicalIp(text) ? [] : [isIp(text) ? `must be in canonical form ("${canonical(text)}")` : badAddress]),
  validate({ spec }) {
    const { parentRef } = spec ?? {}
    if (!parentRef) return [required('spec.parentRef')]
    return [
      ...(parentRef.resource ? [] : [required('spec.parentRef.resource')]),
      ...(parentRef.name ? [] : [required('spec.parentRef.name')]),
      ...(parentRef.group ? invalidAll('spec.parentRef.group', parentRef.group, checkDnsSubdomain(parentRef.group)) : []),
    ]
  },
  validateUpdate: ({ spec }, { spec: previous }) => validateImmutable(spec?.parentRef, previous?.parentRef, 'spec.parentRef'),
  selectableFields: ({ spec }) => ({ 'spec.parentRef.name': spec?.parentRef?.name ?? '' }),
}

const canonical = (text: string): string => ipFromBytes(ipToBytes(parseIp(text)))
const isCanonicalIp = (text: string): boolean => isIp(text) && canonical(text) === text
