import { Command } from 'commander'
import { nodes, pods } from '../../api/generated/resources.js'
import type { Node, Pod } from '../../api/generated/types.js'
import { datapathAnnotation, netpolAnnotation } from '../../base/config/agent-wishes.js'
import { type NetworkReport, networkReportOf } from '../../base/config/network-report.js'
import type { Lab } from '../../lab/lab.js'
import { labOption, outputOption, requireLab } from '../lab-option.js'
import type { Parts } from '../parts.js'
import { textTable } from '../text-table.js'

interface HostStatus {
  readonly name: string
  readonly role: string
  readonly address: string
  readonly ready?: boolean
  readonly podCidr?: string
  readonly pods?: number
  /** What it moves Pod packets by. */
  readonly datapath?: string
  /** What enforces network policies on it. */
  readonly netpol?: string
  readonly network?: NetworkReport
}

interface LabStatus {
  readonly lab: string
  /** Where the API answers for the user; absent when it does not. */
  readonly api?: string
  /** Why the API gave no answer. */
  readonly problem?: string
  readonly hosts: readonly HostStatus[]
}

/** `podwire status`: exit status 1 when the API does not answer or a node is not Ready. */
export const statusCommand = (parts: Parts, done: (exitStatus: number) => void): Command =>
  new Command('status')
    .description('show the hosts of a lab and whether its nodes are Ready')
    .addOption(labOption())
    .addOption(outputOption('table', 'json'))
    .action(async ({ name, output }: { name?: string; output: string }) => {
      const lab = await requireLab(parts, name)
      const status = await readStatus(parts, lab)
      parts.terminal.out(output === 'json' ? `${JSON.stringify(status, undefined, 2)}\n` : statusTable(status))
      done(status.problem === undefined && status.hosts.every(({ ready }) => ready !== false) ? 0 : 1)
    })

async function readStatus(parts: Parts, lab: Lab): Promise<LabStatus> {
  const hosts = lab.hosts.map(({ role, host, address }) => ({ name: host.name, role, address }))
  try {
    const client = parts.connect(lab.kubeconfig)
    try {
      const signal = AbortSignal.timeout(5_000)
      const [nodeList, podList] = await Promise.all([client.list(nodes, {}, signal), client.list(pods, {}, signal)])
      const withNodes = hosts.map(host =>
        host.role === 'node' ? { ...host, ...nodeStatus(host.name, nodeList.items, podList.items) } : host,
      )
      return { lab: lab.spec.name, api: client.server, hosts: withNodes }
    } finally {
      client.close()
    }
  } catch (error) {
    return { lab: lab.spec.name, problem: error instanceof Error ? error.message : String(error), hosts }
  }
}

function nodeStatus(name: string, nodeItems: readonly Node[], podItems: readonly Pod[]): Partial<HostStatus> {
  const node = nodeItems.find(({ metadata }) => metadata?.name === name)
  const podCidr = node?.spec?.podCIDR
  const annotations = node?.metadata?.annotations
  const datapath = annotations?.[datapathAnnotation]
  const netpol = annotations?.[netpolAnnotation]
  const network = networkReportOf(annotations)
  return {
    ready: node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
    ...(podCidr === undefined ? {} : { podCidr }),
    ...(datapath !== undefined && { datapath }),
    ...(netpol !== undefined && { netpol }),
    ...(network !== undefined && { network }),
    pods: podItems.filter(({ spec }) => spec?.nodeName === name).length,
  }
}

function statusTable({ lab, api, problem, hosts }: LabStatus): string {
  const rows = hosts.map(({ name, role, address, ready, podCidr, pods, datapath, netpol, network }) => [
    name,
    role,
    address,
    ready === undefined ? '' : ready ? 'Ready' : 'NotReady',
    podCidr ?? '',
    pods === undefined ? '' : String(pods),
    datapath ?? '',
    netpol ?? '',
    network === undefined ? '' : network.bridgeNetfilter ? 'on' : 'off',
  ])
  const head = api === undefined ? `lab ${lab}: the API does not answer: ${problem}` : `lab ${lab}: API at ${api}`
  return `${head}\n\n${textTable(['host', 'role', 'address', 'status', 'pod range', 'pods', 'datapath', 'netpol', 'br_netfilter'], rows)}${bgpText(hosts)}`
}

/** A line for each BGP session, with what was learnt through it. */
function bgpText(hosts: readonly HostStatus[]): string {
  const rows = hosts.flatMap(({ name, network }) =>
    (network?.bgp ?? []).map(session => [name, session.name, session.state, session.routes.join(' ')]),
  )
  return rows.length === 0 ? '' : `\n${textTable(['host', 'BGP session', 'state', 'learnt routes'], rows)}`
}
