import type { Container, PodSpec, Probe } from '../generated/types.js'
import type { Draft } from '../json.js'

/** Fills a Pod's spec as upstream does (pkg/apis/core/v1/defaults.go), for Pods and for templates. */
export function setPodSpecDefaults(spec: Draft<PodSpec>): void {
  spec.restartPolicy ??= 'Always'
  spec.dnsPolicy ??= 'ClusterFirst'
  spec.schedulerName ??= 'default-scheduler'
  spec.terminationGracePeriodSeconds ??= 30
  spec.securityContext ??= {}
  // Older clients know the account by its first name; both are kept equal.
  const account = spec.serviceAccountName || spec.serviceAccount
  if (account) {
    spec.serviceAccountName = account
    spec.serviceAccount = account
  }
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) setContainerDefaults(container)
  for (const volume of spec.volumes ?? []) {
    const { name: _, ...source } = volume
    if (Object.keys(source).length === 0) volume.emptyDir = {}
    if (volume.configMap) volume.configMap.defaultMode ??= 0o644
    if (volume.secret) volume.secret.defaultMode ??= 0o644
    if (volume.downwardAPI) {
      volume.downwardAPI.defaultMode ??= 0o644
      for (const { fieldRef } of volume.downwardAPI.items ?? []) if (fieldRef) fieldRef.apiVersion ??= 'v1'
    }
    if (volume.hostPath) volume.hostPath.type ??= ''
    if (volume.projected) {
      volume.projected.defaultMode ??= 0o644
      for (const { serviceAccountToken, downwardAPI } of volume.projected.sources ?? []) {
        if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= 3600
        for (const { fieldRef } of downwardAPI?.items ?? []) if (fieldRef) fieldRef.apiVersion ??= 'v1'
      }
    }
  }
}

/** What a Pod is given and its template is not: requests where only limits are set, the node's ports in the node's network. */
export function setRunningPodDefaults(spec: Draft<PodSpec>): void {
  for (const { resources, ports = [] } of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    if (resources?.limits) resources.requests = { ...resources.limits, ...resources.requests }
    if (spec.hostNetwork) for (const port of ports) port.hostPort ??= port.containerPort
  }
  spec.enableServiceLinks ??= true
}

function setContainerDefaults(container: Draft<Container>): void {
  container.terminationMessagePath ??= '/dev/termination-log'
  container.terminationMessagePolicy ??= 'File'
  container.imagePullPolicy ??= isLatest(container.image ?? '') ? 'Always' : 'IfNotPresent'
  container.resources ??= {}
  for (const port of container.ports ?? []) port.protocol ??= 'TCP'
  for (const { valueFrom } of container.env ?? []) if (valueFrom?.fieldRef) valueFrom.fieldRef.apiVersion ??= 'v1'
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) if (probe) setProbeDefaults(probe)
  for (const { httpGet } of [container.lifecycle?.postStart ?? {}, container.lifecycle?.preStop ?? {}]) {
    if (httpGet) {
      httpGet.path ||= '/'
      httpGet.scheme ??= 'HTTP'
    }
  }
}

function setProbeDefaults(probe: Draft<Probe>): void {
  probe.timeoutSeconds ||= 1
  probe.periodSeconds ||= 10
  probe.successThreshold ||= 1
  probe.failureThreshold ||= 3
  if (probe.httpGet) {
    probe.httpGet.path ||= '/'
    probe.httpGet.scheme ??= 'HTTP'
  }
  if (probe.grpc) probe.grpc.service ??= ''
}

/** No tag and no digest means `latest`. */
function isLatest(image: string): boolean {
  if (image.includes('@')) return false
  const [, tag] = /:([^:/]+)$/.exec(image) ?? []
  return tag === undefined || tag === 'latest'
}
