import type { ClientRequest, OutgoingHttpHeaders } from 'node:http'
import { request } from 'node:https'

import type { Node } from '../../api/generated/types.js'
import { internalError } from '../../api/status.js'

/** How this server shows itself to nodes and knows them: PEM text. */
export interface NodeTls {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface NodeCall {
  readonly node: Node
  readonly method: string
  readonly path: string
  readonly headers: OutgoingHttpHeaders
}

/** Where a node's kubelet answers, as the node itself says. Throws 500 when it does not say. */
export function nodeEndpoint({ metadata, status }: Node): { readonly host: string; readonly port: number } {
  const host = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address
  const port = status?.daemonEndpoints?.kubeletEndpoint?.Port
  if (host === undefined || port === undefined) throw internalError(`node ${metadata?.name} has not published where its kubelet answers`)
  return { host, port }
}

/** A request to a node on a connection of its own, not sent yet. */
export function callNode(tls: NodeTls, { node, method, path, headers }: NodeCall): ClientRequest {
  return request({ ...tls, ...nodeEndpoint(node), method, path, headers, agent: false })
}
