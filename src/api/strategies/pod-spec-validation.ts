import { type FieldProblem, forbidden, invalid, invalidAll, required } from '../field-problem.js'
import { oneOf } from '../field-rules.js'
import type { Container, ContainerPort, EnvVar, PodSpec, Probe, ResourceRequirements, Volume } from '../generated/types.js'
import { checkConfigMapKey, checkDnsLabel, checkDnsSubdomain, checkEnvName, checkPortName, checkPortNumber } from '../name-format.js'
import { validateLabels, validateUnique } from '../validate-meta.js'

const protocols = ['SCTP', 'TCP', 'UDP']

/** What is wrong with a Pod's spec, wherever it stands (upstream: pkg/apis/core/validation). */
export function validatePodSpec(spec: PodSpec | undefined, field: string): FieldProblem[] {
  if (!spec) return [required(field)]
  const problems: FieldProblem[] = []
  const volumes = spec.volumes ?? []
  volumes.forEach((volume, i) => {
    problems.push(...validateVolume(volume, `${field}.volumes[${i}]`))
  })
  problems.push(
    ...validateUnique(
      volumes.map(({ name }) => name),
      i => `${field}.volumes[${i}].name`,
    ),
  )
  const context = { volumes: new Set(volumes.map(({ name }) => name)), hostNetwork: spec.hostNetwork ?? false }

  const containers = spec.containers ?? []
  if (containers.length === 0) problems.push(required(`${field}.containers`))
  containers.forEach((container, i) => {
    problems.push(...validateContainer(container, `${field}.containers[${i}]`, context))
  })
  spec.initContainers?.forEach((container, i) => {
    problems.push(...validateContainer(container, `${field}.initContainers[${i}]`, context))
  })
  const names = [...containers, ...(spec.initContainers ?? [])].map(({ name }) => name)
  problems.push(
    ...validateUnique(names, i =>
      i < containers.length ? `${field}.containers[${i}].name` : `${field}.initContainers[${i - containers.length}].name`,
    ),
  )

  problems.push(...oneOf(spec.restartPolicy, ['Always', 'OnFailure', 'Never'], `${field}.restartPolicy`))
  problems.push(...oneOf(spec.dnsPolicy, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'], `${field}.dnsPolicy`))
  if (spec.dnsPolicy === 'None' && !spec.dnsConfig?.nameservers?.length) {
    problems.push(required(`${field}.dnsConfig.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'))
  }
  problems.push(...validateLabels(spec.nodeSelector, `${field}.nodeSelector`))
  if (spec.serviceAccountName) {
    problems.push(...invalidAll(`${field}.serviceAccountName`, spec.serviceAccountName, checkDnsSubdomain(spec.serviceAccountName)))
  }
  if (spec.nodeName) problems.push(...invalidAll(`${field}.nodeName`, spec.nodeName, checkDnsSubdomain(spec.nodeName)))
  if (spec.hostname) problems.push(...invalidAll(`${field}.hostname`, spec.hostname, checkDnsLabel(spec.hostname)))
  if (spec.subdomain) problems.push(...invalidAll(`${field}.subdomain`, spec.subdomain, checkDnsLabel(spec.subdomain)))
  const { terminationGracePeriodSeconds: grace, activeDeadlineSeconds: deadline } = spec
  if (grace !== undefined && grace < 0) {
    problems.push(invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than or equal to 0'))
  }
  if (deadline !== undefined && (deadline < 1 || deadline > 2 ** 31 - 1)) {
    problems.push(invalid(`${field}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive'))
  }
  spec.tolerations?.forEach(({ key, operator = 'Equal', value, effect }, i) => {
    const at = `${field}.tolerations[${i}]`
    problems.push(...oneOf(operator, ['Equal', 'Exists', 'Lt', 'Gt'], `${at}.operator`))
    if (!key && operator !== 'Exists')
      problems.push(
        invalid(`${at}.operator`, operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'),
      )
    if (operator === 'Exists' && value) problems.push(invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"))
    if (effect) problems.push(...oneOf(effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute'], `${at}.effect`))
  })
  return problems
}

interface PodContext {
  readonly volumes: ReadonlySet<string>
  readonly hostNetwork: boolean
}

function validateContainer(container: Container, field: string, { volumes, hostNetwork }: PodContext): FieldProblem[] {
  const problems: FieldProblem[] = []
  if (!container.name) problems.push(required(`${field}.name`))
  else problems.push(...invalidAll(`${field}.name`, container.name, checkDnsLabel(container.name)))
  if (!container.image) problems.push(required(`${field}.image`))
  else if (container.image !== container.image.trim()) {
    problems.push(invalid(`${field}.image`, container.image, 'must not have leading or trailing whitespace'))
  }
  problems.push(...oneOf(container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never'], `${field}.imagePullPolicy`))
  problems.push(...oneOf(container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError'], `${field}.terminationMessagePolicy`))
  problems.push(...validatePorts(container.ports ?? [], `${field}.ports`, hostNetwork))
  container.env?.forEach((variable, i) => {
    problems.push(...validateEnv(variable, `${field}.env[${i}]`))
  })
  container.volumeMounts?.forEach(({ name, mountPath }, i) => {
    const at = `${field}.volumeMounts[${i}]`
    if (!name) problems.push(required(`${at}.name`))
    else if (!volumes.has(name))
      problems.push({ reason: 'FieldValueInvalid', field: `${at}.name`, message: `Not found: ${JSON.stringify(name)}` })
    if (!mountPath) problems.push(required(`${at}.mountPath`))
  })
  problems.push(
    ...(container.volumeMounts ?? []).flatMap(({ mountPath }, i, all) =>
      mountPath && all.findIndex(other => other.mountPath === mountPath) < i
        ? [invalid(`${field}.volumeMounts[${i}].mountPath`, mountPath, 'must be unique')]
        : [],
    ),
  )
  problems.push(...validateProbe(container.livenessProbe, `${field}.livenessProbe`, { successOnce: true }))
  problems.push(...validateProbe(container.readinessProbe, `${field}.readinessProbe`, { successOnce: false }))
  problems.push(...validateProbe(container.startupProbe, `${field}.startupProbe`, { successOnce: true }))
  problems.push(...validateResources(container.resources, `${field}.resources`))
  return problems
}

function validatePorts(ports: readonly ContainerPort[], field: string, hostNetwork: boolean): FieldProblem[] {
  const problems: FieldProblem[] = []
  ports.forEach((port, i) => {
    const at = `${field}[${i}]`
    if (port.name) problems.push(...invalidAll(`${at}.name`, port.name, checkPortName(port.name)))
    if (!port.containerPort) problems.push(required(`${at}.containerPort`))
    else problems.push(...invalidAll(`${at}.containerPort`, port.containerPort, checkPortNumber(port.containerPort)))
    if (port.hostPort) {
      problems.push(...invalidAll(`${at}.hostPort`, port.hostPort, checkPortNumber(port.hostPort)))
      if (hostNetwork && port.hostPort !== port.containerPort) {
        problems.push(invalid(`${at}.hostPort`, port.hostPort, 'must match `containerPort` when `hostNetwork` is true'))
      }
    }
    problems.push(...oneOf(port.protocol, protocols, `${at}.protocol`))
  })
  return [
    ...problems,
    ...validateUnique(
      ports.map(({ name }) => name),
      i => `${field}[${i}].name`,
    ),
  ]
}

function validateEnv({ name, value, valueFrom }: EnvVar, field: string): FieldProblem[] {
  const problems = name ? invalidAll(`${field}.name`, name, checkEnvName(name)) : [required(`${field}.name`)]
  if (!valueFrom) return problems
  const sources = Object.keys(valueFrom)
  if (sources.length === 0)
    problems.push(
      invalid(
        `${field}.valueFrom`,
        '',
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
      ),
    )
  if (sources.length > 1) problems.push(invalid(`${field}.valueFrom`, '', 'may not have more than one field specified at a time'))
  if (value) problems.push(invalid(`${field}.valueFrom`, '', 'may not be specified when `value` is not empty'))
  for (const kind of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const ref = valueFrom[kind]
    if (ref && !ref.name) problems.push(required(`${field}.valueFrom.${kind}.name`))
    if (ref && !ref.key) problems.push(required(`${field}.valueFrom.${kind}.key`))
    else if (ref) problems.push(...invalidAll(`${field}.valueFrom.${kind}.key`, ref.key, checkConfigMapKey(ref.key)))
  }
  return problems
}

function validateProbe(probe: Probe | undefined, field: string, { successOnce }: { readonly successOnce: boolean }): FieldProblem[] {
  if (!probe) return []
  const problems: FieldProblem[] = []
  const handlers = [probe.exec, probe.httpGet, probe.tcpSocket, probe.grpc].filter(handler => handler !== undefined)
  if (handlers.length === 0) problems.push(required(field, 'must specify a handler type'))
  if (handlers.length > 1) problems.push(forbidden(field, 'may not specify more than 1 handler type'))
  if (probe.exec && !probe.exec.command?.length) problems.push(required(`${field}.exec.command`))
  for (const kind of ['httpGet', 'tcpSocket'] as const) {
    const port = probe[kind]?.port
    if (!probe[kind]) continue
    if (typeof port === 'number') problems.push(...invalidAll(`${field}.${kind}.port`, port, checkPortNumber(port)))
    else if (port === undefined) problems.push(required(`${field}.${kind}.port`))
    else problems.push(...invalidAll(`${field}.${kind}.port`, port, checkPortName(port)))
  }
  if (probe.httpGet) problems.push(...oneOf(probe.httpGet.scheme, ['HTTP', 'HTTPS'], `${field}.httpGet.scheme`))
  for (const key of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const) {
    const value = probe[key]
    if (value !== undefined && value < 0) problems.push(invalid(`${field}.${key}`, value, 'must be greater than or equal to 0'))
  }
  if (successOnce && probe.successThreshold !== undefined && probe.successThreshold !== 1) {
    problems.push(invalid(`${field}.successThreshold`, probe.successThreshold, 'must be 1'))
  }
  return problems
}

function validateResources({ limits = {}, requests = {} }: ResourceRequirements = {}, field: string): FieldProblem[] {
  const problems: FieldProblem[] = []
  for (const [kind, amounts] of Object.entries({ limits, requests })) {
    for (const [name, amount] of Object.entries(amounts)) {
      if (amount.startsWith('-')) problems.push(invalid(`${field}.${kind}[${name}]`, amount, 'must be greater than or equal to 0'))
    }
  }
  return problems
}

function validateVolume(volume: Volume, field: string): FieldProblem[] {
  const problems = volume.name ? invalidAll(`${field}.name`, volume.name, checkDnsLabel(volume.name)) : [required(`${field}.name`)]
  const { name: _, ...sources } = volume
  const [first, ...more] = Object.keys(sources)
  if (first === undefined) problems.push(required(field, 'must specify a volume type'))
  for (const kind of more) problems.push(forbidden(`${field}.${kind}`, 'may not specify more than 1 volume type'))
  if (volume.configMap && !volume.configMap.name) problems.push(required(`${field}.configMap.name`))
  if (volume.secret && !volume.secret.secretName) problems.push(required(`${field}.secret.secretName`))
  if (volume.hostPath && !volume.hostPath.path) problems.push(required(`${field}.hostPath.path`))
  return problems
}
