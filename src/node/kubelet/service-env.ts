import type { Service } from '../../api/generated/types.js'

interface ServiceEnvInput {
  readonly services: readonly Service[]
  readonly namespace: string
  /** False: only the variables of the API server's Service. */
  readonly enableServiceLinks: boolean
}

/**
 * The variables by which containers find Services without DNS: `WEB_SERVICE_HOST`, `WEB_SERVICE_PORT`, and the Docker-link form.
 * Services of the Pod's namespace win over `default/kubernetes`, which every Pod gets. Headless Services have none.
 */
export function buildServiceEnv({ services, namespace, enableServiceLinks }: ServiceEnvInput): ReadonlyMap<string, string> {
  const isMaster = (service: Service) => service.metadata?.namespace === 'default' && service.metadata.name === 'kubernetes'
  const masters = services.filter(isMaster)
  const own = enableServiceLinks ? services.filter(service => service.metadata?.namespace === namespace && !isMaster(service)) : []
  return new Map([...masters, ...own].sort(byName).flatMap(serviceVariables))
}

const byName = (a: Service, b: Service) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1)

function serviceVariables(service: Service): [string, string][] {
  const { clusterIP, ports = [] } = service.spec ?? {}
  const [first] = ports
  if (!clusterIP || clusterIP === 'None' || !first) return []
  const prefix = variableName(service.metadata?.name ?? '')
  const variables: [string, string][] = [
    [`${prefix}_SERVICE_HOST`, clusterIP],
    [`${prefix}_SERVICE_PORT`, String(first.port)],
  ]
  for (const { name, port } of ports) if (name) variables.push([`${prefix}_SERVICE_PORT_${variableName(name)}`, String(port)])
  const url = (port: number, protocol: string) => `${protocol.toLowerCase()}://${clusterIP}:${port}`
  variables.push([`${prefix}_PORT`, url(first.port, first.protocol ?? 'TCP')])
  for (const { port, protocol = 'TCP' } of ports) {
    const link = `${prefix}_PORT_${port}_${protocol}`
    variables.push([link, url(port, protocol)])
    variables.push([`${link}_PROTO`, protocol.toLowerCase()], [`${link}_PORT`, String(port)], [`${link}_ADDR`, clusterIP])
  }
  return variables
}

const variableName = (name: string): string => name.toUpperCase().replaceAll('-', '_')
