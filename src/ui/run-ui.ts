import { deployments, nodes } from '../api/generated/resources.js'
import { datapathAnnotation, netpolAnnotation, proxyAnnotation } from '../base/config/agent-wishes.js'
import { systemClock } from '../base/time/clock.js'
import type { FlowSession } from '../flow/flow-session.js'
import type { HostFacts } from '../flow/lab-facts.js'
import { watchLab } from '../flow/live/watch-lab.js'
import { type LabLook, LiveView, type LiveViewOptions } from './live-view.js'
import { readNodeTables } from './node-tables.js'
import { servePage } from './serve-page.js'

export interface UiOptions extends LiveViewOptions {
  /** On 127.0.0.1; 0 takes one that is free. */
  readonly port: number
  /** The page's script, built. */
  readonly scriptFile: string
  readonly onListening: (url: string) => void
}

const drawEveryMs = 250
const ticksPerSecond = 4
/** What a look costs the nodes is four programs each. */
const lookEveryMs = 1_500

/** Serves the live page of a lab until `signal` aborts. Errors: as `servePage`; those of the first look at the lab. */
export async function runUi(session: FlowSession, options: UiOptions, signal: AbortSignal): Promise<void> {
  const view = new LiveView(options, signal)
  const page = await servePage(view, options)
  options.onListening(page.url)
  try {
    await Promise.all([
      watchLab(
        session,
        { onSighting: (sighting, world) => view.see(sighting, world), onSnapshot: snapshot => view.takeSnapshot(snapshot) },
        signal,
      ),
      every(lookEveryMs, async () => view.takeLook(await lookAt(session, signal)), signal),
      drawing(view, signal),
    ])
  } finally {
    await page.close()
  }
}

async function drawing(view: LiveView, signal: AbortSignal): Promise<void> {
  let count = 0
  await every(
    drawEveryMs,
    () => {
      if (++count % ticksPerSecond === 0) view.tick()
      else view.drawFlows()
    },
    signal,
  )
}

async function every(ms: number, work: () => Promise<void> | void, signal: AbortSignal): Promise<void> {
  try {
    while (!signal.aborted) {
      await work()
      await systemClock.sleep(ms, signal)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

async function lookAt(session: FlowSession, signal: AbortSignal): Promise<LabLook> {
  const { client, lab } = session.lab
  const [nodeList, deploymentList, facts] = await Promise.all([
    client.list(nodes, {}, signal),
    client.list(deployments, {}, signal),
    session.facts(),
  ])
  const told = (annotation: string): string | undefined =>
    nodeList.items.map(({ metadata }) => metadata?.annotations?.[annotation]).find(mode => mode !== undefined)
  const modes = {
    datapath: told(datapathAnnotation) ?? lab.datapath,
    proxy: told(proxyAnnotation) ?? lab.proxy,
    netpol: told(netpolAnnotation),
  }
  const hosts = [...facts.hosts.values()].filter(({ role }) => role === 'node')
  const [tables, links] = await Promise.all([
    Promise.all(hosts.map(host => readNodeTables(host, modes.proxy, signal))),
    Promise.all(hosts.map(host => linkText(host, signal))),
  ])
  return {
    modes,
    deployments: deploymentList.items.filter(({ metadata }) => metadata?.namespace !== 'kube-system'),
    downUplinks: new Set(hosts.filter((_, i) => !/[<,]UP[,>]/.test(links[i] ?? '')).map(({ name }) => name)),
    tables,
  }
}

/** The uplink as `ip` prints it: `2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> …`. */
async function linkText({ host, uplink }: HostFacts, signal: AbortSignal): Promise<string> {
  const argv = ['ip', '-o', 'link', 'show', 'dev', uplink?.name ?? 'lo']
  return (await host.run(argv, { signal, allowFailure: true })).stdout
}
