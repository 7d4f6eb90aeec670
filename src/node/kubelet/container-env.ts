import type { ConfigMap, Container, EnvVar, Secret, Service } from '../../api/generated/types.js'
import { ContainerConfigError } from './container-config-error.js'
import { expandVariables } from './expand-variables.js'
import { type FieldContext, fieldValue, resourceFieldValue } from './field-value.js'
import { buildServiceEnv } from './service-env.js'

export interface EnvInput extends FieldContext {
  readonly container: Container
  readonly services: readonly Service[]
  /** ConfigMaps and Secrets of the Pod's namespace that the container refers to, by name; missing ones are absent. */
  readonly configMaps: ReadonlyMap<string, ConfigMap>
  readonly secrets: ReadonlyMap<string, Secret>
}

/**
 * A container's environment. Later sources win: Services, `envFrom` in order, `env` in order; `$(NAME)` in `env` refers to what stands before it.
 * Errors: ContainerConfigError for a missing object or key that is not optional.
 */
export function buildContainerEnv(input: EnvInput): ReadonlyMap<string, string> {
  const { container, pod, services } = input
  const namespace = pod.metadata?.namespace ?? ''
  const env = new Map(buildServiceEnv({ services, namespace, enableServiceLinks: pod.spec?.enableServiceLinks ?? true }))
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const source = configMapRef ? configMapData(input, configMapRef) : secretRef ? secretData(input, secretRef) : {}
    for (const [key, value] of Object.entries(source)) env.set(`${prefix}${key}`, value)
  }
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom ? referredValue(variable.valueFrom, input) : expandVariables(variable.value ?? '', env)
    if (value !== undefined) env.set(variable.name, value)
  }
  return env
}

function referredValue(from: NonNullable<EnvVar['valueFrom']>, input: EnvInput): string | undefined {
  if (from.fieldRef) return fieldValue(from.fieldRef.fieldPath, input)
  if (from.configMapKeyRef) {
    const { key, name = '', optional = false } = from.configMapKeyRef
    return pick(configMapData(input, { name, optional }), { key, optional, where: `ConfigMap ${input.pod.metadata?.namespace}/${name}` })
  }
  if (from.secretKeyRef) {
    const { key, name = '', optional = false } = from.secretKeyRef
    return pick(secretData(input, { name, optional }), { key, optional, where: `Secret ${input.pod.metadata?.namespace}/${name}` })
  }
  if (from.resourceFieldRef) {
    const { containerName } = from.resourceFieldRef
    const named = input.pod.spec?.containers.find(({ name }) => name === containerName) ?? input.container
    return resourceFieldValue(from.resourceFieldRef, named, input)
  }
  throw new ContainerConfigError('a valueFrom of this kind is not supported')
}

interface Reference {
  readonly name?: string
  readonly optional?: boolean
}

function configMapData({ configMaps }: EnvInput, { name = '', optional = false }: Reference): Readonly<Record<string, string>> {
  const configMap = configMaps.get(name)
  if (!configMap && !optional) throw new ContainerConfigError(`configmap "${name}" not found`)
  return configMap?.data ?? {}
}

function secretData({ secrets }: EnvInput, { name = '', optional = false }: Reference): Readonly<Record<string, string>> {
  const secret = secrets.get(name)
  if (!secret && !optional) throw new ContainerConfigError(`secret "${name}" not found`)
  return Object.fromEntries(Object.entries(secret?.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
}

function pick(data: Readonly<Record<string, string>>, at: { key: string; optional: boolean; where: string }): string | undefined {
  const value = data[at.key]
  if (value === undefined && !at.optional) throw new ContainerConfigError(`couldn't find key ${at.key} in ${at.where}`)
  return value
}

/** The ConfigMaps and Secrets that a container's environment refers to. */
export function envReferences(container: Container): { readonly configMaps: readonly string[]; readonly secrets: readonly string[] } {
  const from = container.envFrom ?? []
  const values = (container.env ?? []).flatMap(({ valueFrom }) => (valueFrom ? [valueFrom] : []))
  const names = (list: readonly (string | undefined)[]) => [...new Set(list.filter(name => name !== undefined))]
  return {
    configMaps: names([...from.map(source => source.configMapRef?.name), ...values.map(value => value.configMapKeyRef?.name)]),
    secrets: names([...from.map(source => source.secretRef?.name), ...values.map(value => value.secretKeyRef?.name)]),
  }
}
