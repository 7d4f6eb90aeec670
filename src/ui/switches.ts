import type { Deployment } from '../api/generated/types.js'
import type { HostFacts } from '../flow/lab-facts.js'
import type { LabSnapshot } from '../flow/live/watch-lab.js'

/** Something that can be done to the lab by one command, which is shown as it is run. */
export interface Switch {
  /** Unique and stable: the command itself. */
  readonly id: string
  readonly group: string
  readonly label: string
  readonly argv: readonly string[]
  /** True: the lab is so already. */
  readonly isOn: boolean
}

export interface SwitchFacts {
  /** The lab's name. */
  readonly name: string
  readonly kubeconfig: string
  readonly modes: { readonly datapath: string; readonly proxy: string; readonly netpol: string | undefined }
  readonly snapshot: LabSnapshot
  readonly deployments: readonly Deployment[]
  /** Names of hosts whose uplink is down. */
  readonly downUplinks: ReadonlySet<string>
  readonly lessons: readonly { readonly name: string; readonly title: string }[]
}

/** Everything that a teacher may switch now. Pure. */
export function switchesFor(facts: SwitchFacts): readonly Switch[] {
  const { name, modes, snapshot, lessons } = facts
  const podwire = (...words: readonly string[]): readonly string[] => ['./podwire', ...words]
  const modeSwitches = (kind: string, now: string | undefined, all: readonly string[]): readonly Switch[] =>
    all.map(mode => made(`${kind}`, mode, podwire('set', kind, mode, '--name', name), mode === now))
  const nodes = [...snapshot.facts.hosts.values()].filter(({ role }) => role === 'node')
  return [
    ...modeSwitches('proxy', modes.proxy, ['iptables', 'nftables', 'ipvs']),
    ...modeSwitches('cni', modes.datapath, ['vxlan', 'routed', 'bridge', 'mixed']),
    ...modeSwitches('netpol', modes.netpol, ['nftables', 'iptables', 'none']),
    ...nodes.flatMap(node => nodeSwitches(node, facts)),
    ...facts.deployments.flatMap(deployment => scaleSwitches(deployment, facts.kubeconfig)),
    ...lessons.map(lesson => made('lessons', lesson.title, podwire('lesson', 'start', lesson.name, '--name', name), false)),
  ]
}

const made = (group: string, label: string, argv: readonly string[], isOn: boolean): Switch => ({
  id: argv.join(' '),
  group,
  label,
  argv,
  isOn,
})

function nodeSwitches(node: HostFacts, { name, downUplinks }: SwitchFacts): readonly Switch[] {
  const on = (...words: readonly string[]): readonly string[] => ['./podwire', 'node', '--name', name, node.name, '--', ...words]
  const filter = (value: 0 | 1) => on('sysctl', '-w', `net.bridge.bridge-nf-call-iptables=${value}`)
  const link = (device: string, ...words: readonly string[]) => on('ip', 'link', 'set', 'dev', device, ...words)
  const { isBridgeFiltered, uplink, vxlan, attachments } = node
  const group = node.name
  const wrongMtu = 1400
  return [
    made(group, 'br_netfilter on', filter(1), isBridgeFiltered),
    made(group, 'br_netfilter off', filter(0), !isBridgeFiltered),
    ...(uplink === undefined
      ? []
      : [
          made(group, 'uplink up', link(uplink.name, 'up'), !downUplinks.has(node.name)),
          made(group, 'uplink down', link(uplink.name, 'down'), downUplinks.has(node.name)),
        ]),
    ...(vxlan === undefined
      ? []
      : [vxlan.mtu, wrongMtu, 1450]
          .filter((mtu, i, all) => all.indexOf(mtu) === i)
          .sort((a, b) => b - a)
          .map(mtu => made(group, `tunnel MTU ${mtu}`, link(vxlan.name, 'mtu', String(mtu)), vxlan.mtu === mtu))),
    ...attachments.flatMap(({ hostVeth, podName }) =>
      (['on', 'off'] as const).map(state =>
        made(`${group}: hairpin`, `${podName} ${state}`, on('bridge', 'link', 'set', 'dev', hostVeth, 'hairpin', state), false),
      ),
    ),
  ]
}

function scaleSwitches({ metadata, spec }: Deployment, kubeconfig: string): readonly Switch[] {
  const { namespace = 'default', name = '' } = metadata ?? {}
  const now = spec?.replicas ?? 1
  return [0, 1, 2, 3, 5].map(replicas =>
    made(
      `scale ${namespace}/${name}`,
      String(replicas),
      ['kubectl', '--kubeconfig', kubeconfig, '-n', namespace, 'scale', `deployment/${name}`, `--replicas=${replicas}`],
      replicas === now,
    ),
  )
}
