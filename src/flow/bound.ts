import type { Host } from '../kernel/host.js'

export interface BoundPod {
  readonly kind: 'pod'
  /** `namespace/name`. */
  readonly key: string
  readonly node: string
  readonly ip: string
  readonly mac: string
  /** The host veth on its node. */
  readonly veth: string
  /** The Pod's network namespace. */
  readonly host: Host
}

export interface BoundService {
  readonly kind: 'service'
  readonly key: string
  /** The ClusterIP; undefined for a headless Service. */
  readonly ip: string | undefined
  readonly port: number
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  readonly nodePort: number | undefined
  /** True: who comes from outside is led to endpoints of the node asked only, and keeps its address (externalTrafficPolicy Local). */
  readonly isLocalOutside: boolean
  /** Endpoints that may take a connection, with the port that `targetPort` means there. */
  readonly endpoints: readonly { readonly ip: string; readonly port: number }[]
}

export interface BoundHost {
  readonly kind: 'host'
  readonly key: string
  readonly role: 'node' | 'external'
  readonly ip: string
  readonly host: Host
}

/** What an alias stands for in this lab. */
export type Bound = BoundPod | BoundService | BoundHost

/** alias → what it stands for. An `endpointOf` alias is there only once the endpoint is known. */
export type Bindings = ReadonlyMap<string, Bound>

/** One line for people: `pod default/client (10.244.1.5 on node-1)`. */
export function describeBound(bound: Bound): string {
  switch (bound.kind) {
    case 'pod':
      return `pod ${bound.key} (${bound.ip} on ${bound.node})`
    case 'service':
      return `service ${bound.key} (${bound.ip ?? 'headless'}, port ${bound.port}, ${bound.endpoints.length} endpoints)`
    case 'host':
      return `${bound.role} ${bound.key} (${bound.ip})`
  }
}
