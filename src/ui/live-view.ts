import { cpus, release } from 'node:os'

import type { Deployment } from '../api/generated/types.js'
import { FlowRecord, type RunRecord } from '../base/results/run-record.js'
import type { LabFacts } from '../flow/lab-facts.js'
import { LiveFlows } from '../flow/live/live-flows.js'
import type { LabSnapshot } from '../flow/live/watch-lab.js'
import type { Sighting } from '../flow/trace.js'
import { html, type Markup } from '../report/markup.js'
import { renderReport } from '../report/render-report.js'
import { CommandLog, type RunsCommand } from './command-log.js'
import { askView, commandsView, type Ends, endsOf, switchesView } from './controls-view.js'
import { flowListView, type ListedFlow, ladderView } from './flows-view.js'
import type { NodeTables } from './node-tables.js'
import type { Region } from './page.js'
import { rateView } from './rate-view.js'
import type { PageParts } from './serve-page.js'
import { type Switch, type SwitchFacts, switchesFor } from './switches.js'
import { conntrackView, countHits, type HitRule, routesView, rulesView } from './tables-view.js'
import { topologyView } from './topology-view.js'

export interface LiveViewOptions {
  readonly name: string
  readonly kubeconfig: string
  readonly lessons: SwitchFacts['lessons']
  readonly run: RunsCommand
}

/** What is read of the lab at each look. */
export interface LabLook {
  readonly modes: SwitchFacts['modes']
  readonly deployments: readonly Deployment[]
  readonly downUplinks: ReadonlySet<string>
  readonly tables: readonly NodeTables[]
}

const rateSeconds = 60
const shownFlows = 40

/** Everything that the page shows: takes what is seen, draws what changed. */
export class LiveView implements PageParts {
  readonly #options: LiveViewOptions
  readonly #flows = new LiveFlows()
  readonly #commands: CommandLog
  readonly #followers = new Set<(region: Region, markup: string) => void>()
  readonly #drawn = new Map<Region, string>()
  readonly #startedAt = new Date()
  #snapshot: LabSnapshot | undefined
  #look: LabLook | undefined
  #looks = 0
  #hits: readonly HitRule[] = []
  /** Flows that were sent from the page, newest first. */
  #traced: readonly ListedFlow[] = []
  #namespace = ''
  #chosen: string | undefined
  #step: number | undefined
  #busy = new Set<string>()
  #perSecond: readonly number[] = []
  #packetsBefore = 0

  constructor(options: LiveViewOptions, signal: AbortSignal) {
    this.#options = options
    this.#commands = new CommandLog(options.run, () => this.#draw('commands', commandsView(this.#commands.commands)), signal)
  }

  see(sighting: Sighting, world: LabSnapshot): void {
    this.#flows.see(sighting, world)
    this.#busy.add(`${sighting.owner} ${sighting.interface}`)
  }

  takeSnapshot(snapshot: LabSnapshot): void {
    this.#snapshot = snapshot
    this.#drawLab()
  }

  takeLook(look: LabLook): void {
    this.#look = look
    this.#looks++
    this.#hits = countHits(
      this.#hits,
      look.tables.flatMap(({ rules }) => rules),
      this.#looks,
    )
    this.#draw('rules', rulesView(this.#hits))
    this.#draw('conntrack', conntrackView(look.tables.flatMap(({ conntrack }) => conntrack)))
    this.#draw('routes', routesView(look.tables))
    this.#drawLab()
  }

  /** Draws the conversations; to be called a few times a second. */
  drawFlows(): void {
    if (this.#snapshot === undefined) return
    const listed = this.#listed()
    const shown = listed.find(({ id }) => id === this.#chosen) ?? listed[0]
    this.#draw('flows', flowListView(listed, shown?.id))
    if (shown !== undefined) this.#draw('ladder', ladderView(this.#withConntrack(shown), this.#step))
    this.#draw('topology', topologyView(this.#snapshot, this.#namespace, this.#busy))
  }

  /** One second has passed. */
  tick(): void {
    const { packets } = this.#flows
    this.#perSecond = [...this.#perSecond, packets - this.#packetsBefore].slice(-rateSeconds)
    this.#packetsBefore = packets
    this.#draw('rate', rateView(this.#perSecond, packets))
    this.drawFlows()
    this.#busy = new Set()
  }

  follow(onRegion: (region: Region, markup: string) => void, signal: AbortSignal): void {
    for (const [region, markup] of this.#drawn) onRegion(region, markup)
    this.#followers.add(onRegion)
    signal.addEventListener('abort', () => this.#followers.delete(onRegion), { once: true })
  }

  press(word: string): boolean {
    const [verb = '', ...rest] = word.split(' ')
    const value = rest.join(' ')
    switch (verb) {
      case 'namespace':
        this.#namespace = value
        break
      case 'choose':
        this.#chosen = value
        this.#step = undefined
        break
      case 'step':
        this.#stepBy(value)
        break
      case 'stop':
        this.#commands.stop(Number(value))
        break
      case 'run': {
        const found = this.#switches().find(({ id }) => id === value)
        if (found === undefined) return false
        void this.#commands.start(found.argv)
        break
      }
      default:
        return false
    }
    this.drawFlows()
    return true
  }

  submit(form: string, { from = '', to = '', protocol = '', command = 'trace' }: Readonly<Record<string, string>>): boolean {
    const ends = this.#ends()
    const isOffered = ends.from.includes(from) && ends.to.includes(to) && ['', '--udp', '--icmp'].includes(protocol)
    if (form !== 'ask' || !isOffered || !['trace', 'why'].includes(command)) return false
    const argv = ['./podwire', command, from, to, ...(protocol === '' ? [] : [protocol]), '-o', 'json', '--name', this.#options.name]
    void this.#trace(argv)
    return true
  }

  report(): string {
    const { name } = this.#options
    const { modes } = this.#look ?? { modes: { datapath: 'unknown', proxy: 'unknown' } }
    const record: RunRecord = {
      format: 'podwire.dev/run/v1',
      startedAt: this.#startedAt.toISOString(),
      durationMs: Date.now() - this.#startedAt.getTime(),
      lab: { name, substrate: 'netns', datapath: modes.datapath, proxy: modes.proxy, nodes: nodeNames(this.#snapshot?.facts) },
      machine: { kernel: release(), node: process.version, cpus: cpus().length },
      packetsLost: 0,
      flows: this.#listed().map(({ record }) => record),
    }
    return renderReport(record)
  }

  async #trace(argv: readonly string[]): Promise<void> {
    const { text } = await this.#commands.start(argv)
    const from = text.indexOf('{')
    if (from < 0) return
    const record = FlowRecord.safeParse(JSON.parse(text.slice(from, text.lastIndexOf('}') + 1)))
    if (!record.success) return
    const id = `sent-${this.#traced.length + 1}`
    this.#traced = [{ id, record: record.data }, ...this.#traced].slice(0, shownFlows)
    this.#chosen = id
    this.#step = undefined
    this.drawFlows()
  }

  #stepBy(value: string): void {
    const listed = this.#listed()
    const shown = listed.find(({ id }) => id === this.#chosen) ?? listed[0]
    const length = shown?.record.ladder.length ?? 0
    this.#chosen = shown?.id
    const now = this.#step ?? (value === '-1' ? length : 0)
    this.#step = value === 'all' ? undefined : Math.min(length, Math.max(1, now + (value === '-1' ? -1 : 1)))
  }

  #listed(): readonly ListedFlow[] {
    const world = this.#snapshot
    if (world === undefined) return this.#traced
    const seen = this.#flows.flows.slice(0, shownFlows).map(flow => ({ id: `seen-${flow.id}`, record: this.#flows.recordOf(flow, world) }))
    const ofNamespace = seen.filter(({ record }) => this.#namespace === '' || record.name.includes(`${this.#namespace}/`))
    return [...this.#traced, ...ofNamespace]
  }

  #withConntrack(flow: ListedFlow): ListedFlow {
    if (flow.record.conntrack.length > 0 || this.#look === undefined) return flow
    const entries = this.#look.tables.flatMap(({ conntrack }) => conntrack)
    const isOf = ({ orig }: (typeof entries)[number]): boolean =>
      flow.record.sent === `tcp ${end(orig.src, orig.sport)} → ${end(orig.dst, orig.dport)}` ||
      flow.record.sent === `udp ${end(orig.src, orig.sport)} → ${end(orig.dst, orig.dport)}`
    return { ...flow, record: { ...flow.record, conntrack: entries.filter(isOf) } }
  }

  #drawLab(): void {
    if (this.#snapshot === undefined) return
    this.#draw('ask', askView(this.#ends()))
    this.#draw('switches', switchesView(this.#switches()))
    const { modes } = this.#look ?? {}
    this.#draw(
      'lab',
      html`lab <b>${this.#options.name}</b>${modes !== undefined && html`: cni <b>${modes.datapath}</b>, proxy <b>${modes.proxy}</b>, policies <b>${modes.netpol ?? 'none'}</b>`}`,
    )
    this.drawFlows()
  }

  #ends(): Ends {
    return this.#snapshot === undefined ? { from: [], to: [] } : endsOf(this.#snapshot)
  }

  #switches(): readonly Switch[] {
    const [snapshot, look] = [this.#snapshot, this.#look]
    return snapshot === undefined || look === undefined ? [] : switchesFor({ ...this.#options, ...look, snapshot })
  }

  #draw(region: Region, { markup }: Markup): void {
    if (this.#drawn.get(region) === markup) return
    this.#drawn.set(region, markup)
    for (const tell of this.#followers) tell(region, markup)
  }
}

const nodeNames = (facts: LabFacts | undefined): string[] =>
  [...(facts?.hosts.values() ?? [])].flatMap(({ role, name }) => (role === 'node' ? [name] : []))
const end = (address: string, port: number | undefined): string => (port === undefined ? address : `${address}:${port}`)
