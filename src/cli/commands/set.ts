import { Argument, Command } from 'commander'
import { configmaps, nodes } from '../../api/generated/resources.js'
import type { Node } from '../../api/generated/types.js'
import { datapathKinds, policyModes } from '../../base/config/agent-config.js'
import {
  agentWishes,
  datapathAnnotation,
  datapathRefusalAnnotation,
  netpolAnnotation,
  netpolRefusalAnnotation,
  proxyAnnotation,
  proxyRefusalAnnotation,
} from '../../base/config/agent-wishes.js'
import { isPodwireError, PodwireError } from '../../base/errors/podwire-error.js'
import type { Client } from '../../client/client.js'
import { waitFor } from '../../client/wait-for.js'
import { withInterrupt } from '../interrupt.js'
import { labOption, requireLab, requireRoot } from '../lab-option.js'
import { type ConnectionsAfter, watchConnections } from '../open-connections.js'
import type { Parts } from '../parts.js'
import { createProgress } from '../progress.js'

/** One thing that can be changed in a lab that is up: what is written for the agents, and how each node tells that it is done. */
interface Setting {
  readonly key: string
  readonly what: string
  readonly modes: readonly string[]
  /** The mode that the node is in now. */
  readonly modeOf: (node: Node) => string | undefined
  /** Why the node cannot, `MODE: why`. */
  readonly refusalOf: (node: Node) => string | undefined
  /** True: connections may break, so the command looks at them before and after. That needs root. */
  readonly isWatched?: boolean
}

const settings: readonly Setting[] = [
  {
    key: 'proxy',
    what: 'what puts Services into the kernel; connections that are open stay',
    modes: ['iptables', 'ipvs', 'nftables'],
    modeOf: node => node.metadata?.annotations?.[proxyAnnotation],
    refusalOf: node => node.metadata?.annotations?.[proxyRefusalAnnotation],
  },
  {
    key: 'cni',
    what: 'what moves Pod packets from node to node; Pods keep their addresses, and open connections that broke are told (needs root)',
    modes: datapathKinds,
    modeOf: node => node.metadata?.annotations?.[datapathAnnotation],
    refusalOf: node => node.metadata?.annotations?.[datapathRefusalAnnotation],
    isWatched: true,
  },
  {
    key: 'netpol',
    what: 'what enforces network policies; none takes their rules away',
    modes: policyModes,
    modeOf: node => node.metadata?.annotations?.[netpolAnnotation],
    refusalOf: node => node.metadata?.annotations?.[netpolRefusalAnnotation],
  },
]

const patienceMs = 60_000

/** `podwire set proxy MODE`: writes what is wanted into the cluster, and waits until every node has done it. */
export function setCommand(parts: Parts): Command {
  const command = new Command('set').description('change a lab that is up, under live traffic')
  for (const setting of settings) {
    command
      .command(setting.key)
      .description(setting.what)
      .addArgument(new Argument('<mode>').choices(setting.modes))
      .addOption(labOption())
      .action(async (mode: string, { name }: { name?: string }) => {
        if (setting.isWatched) requireRoot(parts, `set ${setting.key}`)
        const lab = await requireLab(parts, name)
        await withInterrupt(parts.terminal, 'the nodes go on changing', async signal => {
          const lookAgain = setting.isWatched ? await watchConnections(lab, signal) : undefined
          const client = parts.connect(lab.kubeconfig)
          try {
            const count = await createProgress(parts.terminal).phase(`Setting ${setting.key} to ${mode}`, detail =>
              change(client, { setting, mode, detail }, signal),
            )
            parts.terminal.out(`${setting.key}: ${mode} on ${count} node${count === 1 ? '' : 's'}\n`)
            if (lookAgain) parts.terminal.out(connectionsText(await lookAgain()))
          } finally {
            client.close()
          }
        })
      })
  }
  return command
}

const connectionsText = ({ open, broken }: ConnectionsAfter): string =>
  [`open connections of Pods: ${open} live on, ${broken.length} broke`, ...broken.map(each => `  ${each}`), ''].join('\n')

interface Change {
  readonly setting: Setting
  readonly mode: string
  readonly detail: (text: string) => void
}

/** Returns how many nodes have changed. Errors: KERNEL_UNSUPPORTED with the words of the node that cannot, and then the wish is taken back. */
async function change(client: Client, { setting, mode, detail }: Change, signal: AbortSignal): Promise<number> {
  const before = await write(client, { [setting.key]: mode }, signal)
  const refusing = (all: readonly Node[]) => all.find(node => setting.refusalOf(node)?.startsWith(`${mode}: `))
  const isDone = (all: readonly Node[]) => all.length > 0 && all.every(node => setting.modeOf(node) === mode)
  let told = ''
  const found = await waitFor(
    client,
    { resource: nodes },
    all => {
      const progress = describe(setting, mode, all)
      if (progress !== told) detail(progress)
      told = progress
      return isDone(all) || refusing(all) !== undefined
    },
    { what: `every node to have ${setting.key} ${mode}`, timeoutMs: patienceMs, describe: all => describe(setting, mode, all) },
    signal,
  )
  const node = isDone(found) ? undefined : refusing(found)
  if (node === undefined) return found.length
  await write(client, { [setting.key]: before[setting.key] ?? null }, signal)
  throw new PodwireError('KERNEL_UNSUPPORTED', `${node.metadata?.name} cannot: ${setting.refusalOf(node)}`, {
    hint: 'every node keeps what it had; ./podwire doctor tells what this kernel has',
  })
}

const describe = ({ modeOf }: Setting, mode: string, all: readonly Node[]): string =>
  `${all.filter(node => modeOf(node) === mode).length} of ${all.length} nodes`

/** Merges `data` into what agents watch, and returns what was there; null takes a key away. */
async function write(
  client: Client,
  data: Readonly<Record<string, string | null>>,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  try {
    const before = await client.get(configmaps, agentWishes, signal)
    await client.patch(configmaps, agentWishes, { data }, { type: 'merge' }, signal)
    return before.data ?? {}
  } catch (error) {
    if (!isPodwireError(error, 'NOT_FOUND')) throw error
    const wanted = Object.entries(data).flatMap(([key, value]) => (value === null ? [] : [[key, value] as const]))
    await client.create(configmaps, { metadata: { ...agentWishes }, data: Object.fromEntries(wanted) }, signal)
    return {}
  }
}
