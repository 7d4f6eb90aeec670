import { randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { localMachine } from '../kernel/local-machine.js'
import { openRtnetlink } from '../kernel/netlink-rtnetlink.js'
import { createNetns, type NetnsHandle, withNetns } from '../kernel/netns.js'
import type { Rtnetlink } from '../kernel/rtnetlink.js'
import { Result } from './result.js'
import { type Answer, type Attachment, createRunner, type Runner, type RuntimeConfig } from './runner.js'
import { type KnownVersion, knownVersions, type Subject } from './subject.js'

/** A container of one case: only a network namespace. */
export interface Container {
  readonly id: string
  readonly netns: NetnsHandle
  /** One interface of it, as runtimes name it. */
  attachment(ifname?: string): Attachment
  /** Runs `fn` with rtnetlink of the container's namespace. */
  inside<T>(fn: (rtnetlink: Rtnetlink) => T): T
  /** The namespace goes, as when a runtime was killed; its path leads nowhere from then on. */
  vanish(): void
}

/** What one case works with. What it adds is taken away after it. */
export interface Rig {
  readonly subject: Subject
  readonly runner: Runner
  /** Versions that every plugin of the network speaks, of those whose results we know. */
  readonly versions: readonly KnownVersion[]
  readonly signal: AbortSignal
  /** The same network, spoken to in another version. */
  speaking(version: KnownVersion): Runner
  newContainer(): Container
  /** An ADD that must succeed for the case to mean anything: its failure is no finding, but an end. */
  add(attachment: Attachment, runtimeConfig?: RuntimeConfig): Promise<Result>
  /** What is there of links, addresses, routes, rules on the node and files of the plugins' state that was not when the case began. */
  leaks(): Promise<readonly string[]>
  /** Files of the plugins' state whose name is `name`. */
  stateFiles(name: string): readonly string[]
}

export interface NodeOptions {
  /** A namespace to take for the node; without one an empty one is made. */
  readonly netnsPath?: string
}

/** The node that all cases share. */
export interface ConformanceNode {
  /** The versions that every plugin of the network speaks, oldest first. */
  spokenVersions(subject: Subject, signal: AbortSignal): Promise<readonly KnownVersion[]>
  openRig(options: { subject: Subject; versions: readonly KnownVersion[]; signal: AbortSignal }): Promise<Rig & { close(): Promise<void> }>
  close(): void
}

export function openNode({ netnsPath }: NodeOptions = {}): ConformanceNode {
  const own = netnsPath === undefined ? createNetns() : undefined
  const path = netnsPath ?? own?.path ?? ''
  const host = localMachine.enter(path)
  const rtnetlink = withNetns(path, openRtnetlink)
  if (own !== undefined) {
    const lo = rtnetlink.link('lo')
    if (lo !== undefined) rtnetlink.changeLink(lo.index, { up: true })
  }
  const run = async (argv: readonly string[], signal: AbortSignal): Promise<string> => (await host.run(argv, { signal })).stdout

  async function observe(subject: Subject, signal: AbortSignal): Promise<ReadonlySet<string>> {
    const links = rtnetlink.links()
    const nameOf = (index: number | undefined): string => links.find(link => link.index === index)?.name ?? ''
    const rules = await run(['nft', '--stateless', 'list', 'ruleset'], signal)
    return new Set([
      ...links.map(({ name, kind }) => `link ${name} (${kind ?? 'device'})`),
      // The kernel's own IPv6 addresses and routes come and go with links that have just come up.
      ...rtnetlink.addresses().flatMap(({ link, cidr }) => (cidr.startsWith('fe80:') ? [] : [`address ${cidr} on ${nameOf(link)}`])),
      ...rtnetlink
        .routes()
        .flatMap(({ destination, link }) => (destination.startsWith('fe80:') ? [] : [`route ${destination} by ${nameOf(link)}`])),
      ...ruleLines(rules),
      ...stateDirsOf(subject).flatMap(dir => filesBelow(dir).map(file => `file ${file}`)),
    ])
  }

  return {
    async spokenVersions(subject, signal) {
      const answers = await createRunner({ subject, run: host.run, signal }).versions()
      return knownVersions.filter(version => answers.every(supported => supported.includes(version)))
    },
    async openRig({ subject, versions, signal }) {
      const runners = new Map<string, Runner>()
      const runnerFor = (cniVersion: string): Runner => {
        const known = runners.get(cniVersion) ?? createRunner({ subject, run: host.run, cniVersion, signal })
        runners.set(cniVersion, known)
        return known
      }
      const containers: Container[] = []
      const version = versions.at(-1) ?? subject.list.cniVersion
      const runner = runnerFor(version)
      const before = await observe(subject, signal)
      return {
        subject,
        runner,
        versions,
        signal,
        speaking: runnerFor,
        newContainer() {
          const container = createContainer()
          containers.push(container)
          return container
        },
        async add(attachment, runtimeConfig) {
          const answer = await runner.add(attachment, runtimeConfig)
          if (answer.exitCode !== 0) throw new Error(`ADD failed: ${wordsOf(answer)}`)
          return Result.parse(answer.json)
        },
        leaks: async () => [...(await observe(subject, signal))].filter(line => !before.has(line)),
        stateFiles: name => stateDirsOf(subject).flatMap(dir => filesBelow(dir).filter(file => file.endsWith(`/${name}`))),
        async close() {
          for (const each of runners.values()) for (const attachment of each.outstanding()) await each.del(attachment).catch(() => {})
          for (const container of containers) container.vanish()
        },
      }
    },
    close() {
      rtnetlink.close()
      own?.close()
    },
  }
}

/** An answer in a line, for findings. */
export function wordsOf({ exitCode, stdout, stderr, json }: Answer): string {
  const { code, msg } = (typeof json === 'object' && json !== null ? json : {}) as { code?: unknown; msg?: unknown }
  if (typeof msg === 'string') return `code ${String(code)}: ${msg}`
  return (stdout.trim() || stderr.trim() || `status ${exitCode}, no words`).slice(0, 300)
}

function createContainer(): Container {
  const netns = createNetns()
  const id = randomBytes(16).toString('hex')
  let isOpen = true
  return {
    id,
    netns,
    attachment(ifname = 'eth0') {
      return { containerId: id, netns: netns.path, ifname }
    },
    inside(fn) {
      const rtnetlink = withNetns(netns.path, openRtnetlink)
      try {
        return fn(rtnetlink)
      } finally {
        rtnetlink.close()
      }
    },
    vanish() {
      if (isOpen) netns.close()
      isOpen = false
    },
  }
}

/** Where the plugins of the network keep what they know, as far as the configuration or their documentation tells. */
const stateDirsOf = ({ list }: Subject): readonly string[] => [
  ...new Set(
    list.plugins.flatMap(({ stateDir, ipam }) => [
      ...(stateDir === undefined ? [] : [stateDir]),
      ...(ipam?.dataDir !== undefined || ipam?.type === 'host-local' ? [join(ipam.dataDir ?? '/var/lib/cni/networks', list.name)] : []),
    ]),
  ),
]

function filesBelow(dir: string): readonly string[] {
  try {
    return readdirSync(dir).flatMap(name => {
      const path = join(dir, name)
      return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? filesBelow(path) : [path]
    })
  } catch {
    return [] // Not there (yet), or gone meanwhile.
  }
}

/** Each rule with the chain it stands in; empty base chains that a tool made stay for good and are no leak. */
function ruleLines(ruleset: string): readonly string[] {
  let table = ''
  let chain = ''
  return ruleset.split('\n').flatMap(line => {
    const text = line.trim()
    if (text.startsWith('table ')) table = text.replace(' {', '')
    else if (text.startsWith('chain ')) chain = text.replace(' {', '')
    else if (text !== '' && text !== '}' && !text.startsWith('type ') && !text.startsWith('#')) return [`rule ${table}, ${chain}: ${text}`]
    return []
  })
}
