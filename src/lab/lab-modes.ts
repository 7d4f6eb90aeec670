import { nodes } from '../api/generated/resources.js'
import { type DatapathKind, datapathKinds } from '../base/config/agent-config.js'
import { datapathAnnotation, netpolAnnotation, proxyAnnotation } from '../base/config/agent-wishes.js'
import type { Client } from '../client/client.js'
import type { LabSpec } from './lab-spec.js'

/** What the Nodes tell of themselves now, since `podwire set` may have changed what the lab began with. */
export interface LabModes {
  readonly proxy: string
  readonly datapath: DatapathKind
  /** Whether network policies are enforced. */
  readonly policy: boolean
}

/** The modes of the lab's service proxies and Pod network; those of its file where no Node has told. */
export async function modesOfLab(
  spec: Pick<LabSpec, 'proxy' | 'datapath' | 'netpol'>,
  client: Client,
  signal: AbortSignal,
): Promise<LabModes> {
  const { items } = await client.list(nodes, {}, signal)
  const told = (annotation: string): string | undefined =>
    items.map(({ metadata }) => metadata?.annotations?.[annotation]).find(mode => mode !== undefined)
  return {
    proxy: told(proxyAnnotation) ?? spec.proxy,
    datapath: datapathKinds.find(kind => kind === told(datapathAnnotation)) ?? spec.datapath,
    policy: (told(netpolAnnotation) ?? spec.netpol) !== 'none',
  }
}
