import { nodes } from '../api/generated/resources.js'
import { proxyAnnotation } from '../base/config/agent-wishes.js'
import type { Client } from '../client/client.js'
import type { LabSpec } from './lab-spec.js'

/** The mode of the service proxies now: as the Nodes tell it, since `podwire set proxy` may have changed what the lab began with. */
export async function proxyOfLab(spec: Pick<LabSpec, 'proxy'>, client: Client, signal: AbortSignal): Promise<string> {
  const { items } = await client.list(nodes, {}, signal)
  return items.map(({ metadata }) => metadata?.annotations?.[proxyAnnotation]).find(mode => mode !== undefined) ?? spec.proxy
}
