import type { RunRecord } from '../../src/base/results/run-record.js'
import { benchCsv } from '../../src/bench/bench-csv.js'
import { compareRecords } from '../../src/bench/compare-records.js'
import { workloads } from '../../src/bench/workloads.js'
import type { Parts } from '../../src/cli/parts.js'
import type { Terminal } from '../../src/cli/terminal.js'
import type { Client } from '../../src/client/client.js'
import type { Host } from '../../src/kernel/host.js'
import type { Lab } from '../../src/lab/lab.js'
import { defaultLab } from '../../src/lab/lab-spec.js'
import { diffRuns } from '../../src/report/diff-runs.js'
import { sampleRun } from './sample-run.js'

/** A terminal that keeps what was written. */
export interface KeptTerminal extends Terminal {
  readonly written: { out: string; note: string }
}

export function keptTerminal(changes: Partial<Terminal> = {}): KeptTerminal {
  const written = { out: '', note: '' }
  return {
    written,
    out: text => {
      written.out += text
    },
    note: text => {
      written.note += text
    },
    isInteractive: false,
    columns: undefined,
    hasColor: false,
    isRoot: true,
    env: {},
    ...changes,
  }
}

/** What was called, in order: `up podwire`, `down podwire`. */
export type Calls = string[]

/** A host that answers every command with the command itself. */
export function echoHost(name: string): Host {
  return {
    name,
    run: async argv => ({ stdout: `${name}: ${argv.join(' ')}\n`, stderr: '', exitCode: 0 }),
    start: argv => ({
      pid: 1,
      stdin: undefined,
      stdout: undefined,
      stderr: undefined,
      ended: Promise.resolve(argv[0] === 'false' ? 7 : 0),
      stop: async () => {},
    }),
    enter: () => echoHost(name),
  }
}

export interface FakeMachine {
  readonly parts: Parts
  readonly terminal: KeptTerminal
  readonly calls: Calls
}

/** Labs that exist only in this process; the second `up` of a name is refused as the real one does it. */
export function fakeMachine(changes: Partial<Parts> = {}, kubeconfig = '/nowhere'): FakeMachine {
  const terminal = (changes.terminal as KeptTerminal | undefined) ?? keptTerminal()
  const calls: Calls = []
  const labs = new Map<string, Lab>()
  const record: RunRecord = { ...sampleRun, flows: sampleRun.flows.slice(0, 1) }
  const parts: Parts = {
    terminal,
    root: process.cwd(),
    version: '0.0.0',
    defaultLab,
    parseLab: () => defaultLab('parsed'),
    upLab: async (spec, { onStep }) => {
      calls.push(`up ${spec.name}`)
      onStep?.('hosts', 'started')
      const host = (name: string, role: 'control-plane' | 'node') => ({ role, host: echoHost(name), address: '172.30.0.2', uplink: 'eth0' })
      const lab: Lab = { spec, hosts: [host('control-plane', 'control-plane'), host('node-1', 'node')], kubeconfig }
      labs.set(spec.name, lab)
      return { lab, steps: [{ step: 'hosts', ms: 12 }] }
    },
    downLab: async name => {
      calls.push(`down ${name}`)
      return labs.delete(name)
    },
    findLab: async name => labs.get(name),
    listLabs: () => [...labs.keys()],
    serverLogs: () => [],
    connect: () => ({ close: () => {} }) as Client,
    applyManifests: async () => {
      calls.push('apply')
    },
    importImage: async (_lab, file) => [`image of ${file}`],
    runFlows: async ({ files }) => {
      calls.push(`flows ${files.length}`)
      return record
    },
    verify: async ({ namespace }) => {
      calls.push(`verify ${namespace ?? 'all'}`)
      return { record, leftOut: ['headless Services: shop/cache'] }
    },
    traceFlow: async ({ question: { from, to } }) => {
      calls.push(`trace ${from} ${to}`)
      return record.flows[0]!
    },
    whyFlow: async ({ question: { from, to } }) => {
      calls.push(`why ${from} ${to}`)
      return { ...record.flows[0]!, causes: [] }
    },
    explainFlows: async ({ files }) => `explained: ${files.join(' ')}\n`,
    recordFlow: async ({ question: { from, to } }) => `recorded: ${from} ${to}\n`,
    watchFlows: async ({ onFlow }) => onFlow(record.flows[0]!),
    diffRuns,
    listLessons: async () => [],
    runLesson: () => Promise.reject(new Error('no lesson is given here')),
    runUi: async ({ port, onListening }) => onListening(`http://127.0.0.1:${port}/#token`),
    renderReport: () => '<html>',
    renderDiff: () => '<html>',
    renderBenchmark: () => '<html>',
    compareRecords,
    benchCsv,
    workloads,
    runProxyAgent: () => Promise.reject(new Error('no agent is run here')),
    runPolicyAgent: () => Promise.reject(new Error('no agent is run here')),
    runWorkload: () => Promise.reject(new Error('no benchmark is run here')),
    runConformance: () => Promise.reject(new Error('no plugin is tested here')),
    renderLadder: ({ name }) => `<svg>${name}</svg>`,
    doctor: async args => {
      calls.push(`doctor ${args.join(' ')}`)
      return 3
    },
    ...changes,
  }
  return { parts, terminal, calls }
}
