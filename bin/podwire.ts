/** The command line of podwire, started by ./podwire once everything it needs is there. */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'

import { PodwireError } from '../src/base/errors/podwire-error.js'
import { parseCidr } from '../src/base/net/address.js'
import { systemClock } from '../src/base/time/clock.js'
import { benchCsv } from '../src/bench/bench-csv.js'
import { compareRecords } from '../src/bench/compare-records.js'
import { runWorkload } from '../src/bench/run-workload.js'
import { workloads } from '../src/bench/workloads.js'
import { applyManifests } from '../src/cli/apply-manifests.js'
import { loadImage } from '../src/cli/load-image.js'
import type { Parts } from '../src/cli/parts.js'
import { runCli } from '../src/cli/program.js'
import { processTerminal } from '../src/cli/terminal.js'
import type { Client } from '../src/client/client.js'
import { createClient } from '../src/client/http-client.js'
import { loadKubeconfig } from '../src/client/kubeconfig.js'
import { runConformance } from '../src/cni-conformance/run-conformance.js'
import { explainFlow } from '../src/flow/explain/explain-flow.js'
import type { FlowLab } from '../src/flow/flow-lab.js'
import { withFlowSession } from '../src/flow/flow-session.js'
import { keepFlowTests } from '../src/flow/keep-flow-tests.js'
import { readLessons } from '../src/flow/lesson/read-lessons.js'
import { runLesson } from '../src/flow/lesson/run-lesson.js'
import { followFlows } from '../src/flow/live/follow-flows.js'
import { flowBatches, matrixRecords } from '../src/flow/matrix/matrix-records.js'
import { readFlowFiles } from '../src/flow/read-flow-files.js'
import { runFlows } from '../src/flow/run-flows.js'
import { verify } from '../src/flow/verify/verify.js'
import { whyFlow } from '../src/flow/why/why.js'
import { recordedFlow, writtenExpectation } from '../src/flow/written-flow.js'
import { builtProgram, packageRoot } from '../src/kernel/built-program.js'
import { execConntrack } from '../src/kernel/exec-conntrack.js'
import { execIpset } from '../src/kernel/exec-ipset.js'
import { execIptables } from '../src/kernel/exec-iptables.js'
import { execNftables } from '../src/kernel/exec-nftables.js'
import { localMachine } from '../src/kernel/local-machine.js'
import { openIpvs } from '../src/kernel/netlink-ipvs.js'
import { openRtnetlink } from '../src/kernel/netlink-rtnetlink.js'
import { ensureSysctl, kernelSysctls } from '../src/kernel/sysctl.js'
import { downLab } from '../src/lab/down.js'
import { findLab, listLabs } from '../src/lab/find.js'
import type { Lab } from '../src/lab/lab.js'
import { modesOfLab } from '../src/lab/lab-modes.js'
import { labPaths } from '../src/lab/lab-paths.js'
import { defaultLab } from '../src/lab/lab-spec.js'
import { parseLab } from '../src/lab/parse-lab.js'
import { upLab } from '../src/lab/up.js'
import { iptablesPolicy } from '../src/netpol/iptables-backend.js'
import { nftablesPolicy } from '../src/netpol/nftables-backend.js'
import { runPolicyAgent } from '../src/node/netpol/run-policy-agent.js'
import type { KubeProxyConfiguration } from '../src/node/proxy/kube-proxy-configuration.js'
import { runProxyAgent } from '../src/node/proxy/proxy-agent.js'
import type { ProxyMember } from '../src/node/proxy/proxy-switch.js'
import { hasCanaries, iptablesProxy } from '../src/proxy-iptables/backend.js'
import { ipvsProxy } from '../src/proxy-ipvs/backend.js'
import { nftablesProxy } from '../src/proxy-nftables/backend.js'
import { diffRuns } from '../src/report/diff-runs.js'
import { standaloneLadderSvg } from '../src/report/ladder-svg.js'
import { renderBenchmark } from '../src/report/render-benchmark.js'
import { renderDiff } from '../src/report/render-diff.js'
import { renderReport } from '../src/report/render-report.js'
import { runUi } from '../src/ui/run-ui.js'

const root = packageRoot()
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

/** Every mode of service proxy in both families, as a configuration wants it. */
const proxiesFor = (configuration?: KubeProxyConfiguration): readonly ProxyMember[] =>
  ([4, 6] as const).flatMap((family): readonly ProxyMember[] => {
    const { run } = localMachine
    const [conntrack, iptables] = [execConntrack(run, family), execIptables(run, family)]
    const kernel = { openIpvs, ipset: execIpset(run), iptables, rtnetlink: openRtnetlink(), sysctls: kernelSysctls(), conntrack }
    return [
      {
        mode: 'iptables',
        family,
        backend: iptablesProxy({ iptables, conntrack, ensureSysctl }),
        isIntact: signal => hasCanaries(iptables, signal),
      },
      { mode: 'ipvs', family, backend: ipvsProxy(kernel, { family, ...(configuration && ipvsOptions(configuration)) }) },
      { mode: 'nftables', family, backend: nftablesProxy({ nftables: execNftables(run), conntrack, family }) },
    ]
  })

const ipvsOptions = ({ ipvs }: KubeProxyConfiguration) => ({
  scheduler: ipvs.scheduler,
  excludeCidrs: ipvs.excludeCIDRs.map(range => parseCidr(range)),
  strictArp: ipvs.strictARP,
  timeouts: { tcp: seconds(ipvs.tcpTimeout), tcpFin: seconds(ipvs.tcpFinTimeout), udp: seconds(ipvs.udpTimeout) },
})

/** The kernel counts whole seconds, and 0 means that nothing was said. */
const seconds = (ms: number): number => Math.ceil(ms / 1000)

/** A lab as flows see it, in the modes it has now. */
async function flowLab({ spec, hosts }: Lab, client: Client, signal: AbortSignal): Promise<FlowLab> {
  const modes = await modesOfLab(spec, client, signal)
  const { name, ipFamily, underlay } = spec
  const dualStack = ipFamily === 'dual'
  return { client, hosts, lab: { name, substrate: 'netns', segments: 1 + underlay.segments.length, dualStack, ...modes } }
}

/** A command as the live page shows it; `./podwire` is the one of this checkout. */
async function runShownCommand([program = '', ...rest]: readonly string[], onOutput: (text: string) => void, signal: AbortSignal) {
  const started = localMachine.start([program === './podwire' ? join(root, 'podwire') : program, ...rest], { signal })
  for (const stream of [started.stdout, started.stderr]) stream?.on('data', (chunk: Uint8Array) => onOutput(Buffer.from(chunk).toString()))
  return started.ended
}

const parts: Parts = {
  terminal: processTerminal(),
  root,
  version,
  defaultLab,
  parseLab,
  upLab,
  downLab,
  findLab,
  listLabs,
  serverLogs: name => [labPaths(name).serverLog],
  connect: kubeconfig => createClient(loadKubeconfig(kubeconfig)),
  applyManifests,
  importImage: loadImage,
  async runFlows({ lab, files, ...run }, signal) {
    const documents = await readFlowFiles(files)
    const ran = await runFlows({ ...run, ...(await flowLab(lab, run.client, signal)), batches: flowBatches(documents) }, signal)
    const matrices = matrixRecords(documents, ran.flows)
    const record = matrices.length === 0 ? ran : { ...ran, matrices: [...matrices] }
    await keepFlowTests(run.client, documents, record, signal)
    return record
  },
  verify: async ({ lab, ...run }, signal) => verify({ ...run, ...(await flowLab(lab, run.client, signal)) }, signal),
  traceFlow: async ({ lab, client, ...asked }, signal) =>
    withFlowSession(await flowLab(lab, client, signal), signal, async session => (await explainFlow(session, asked)).record),
  whyFlow: async ({ lab, client, ...asked }, signal) =>
    withFlowSession(await flowLab(lab, client, signal), signal, session => whyFlow(session, asked)),
  async explainFlows({ lab, client, files }, signal) {
    const documents = await readFlowFiles(files)
    return withFlowSession(await flowLab(lab, client, signal), signal, async session => {
      const texts = await Promise.all(
        documents.map(async document => `# ${document.test.metadata.name}\n${writtenExpectation(await session.prepare(document))}`),
      )
      return texts.join('---\n')
    })
  },
  recordFlow: async ({ lab, client, ...asked }, signal) =>
    withFlowSession(await flowLab(lab, client, signal), signal, async session => {
      const { evidence } = await explainFlow(session, asked)
      return recordedFlow(evidence.document, evidence.judged, 'recorded')
    }),
  watchFlows: async ({ lab, client, onFlow }, signal) =>
    withFlowSession(await flowLab(lab, client, signal), signal, session => followFlows(session, onFlow, session.signal)),
  diffRuns,
  async listLessons(folder) {
    const lessons = await readLessons(folder)
    return lessons.map(({ lesson: { metadata, spec } }) => ({ name: metadata.name, ...spec, ...spec.ask }))
  },
  async runLesson({ lab, client, folder, name, ...run }, signal) {
    const lesson = (await readLessons(folder)).find(each => each.lesson.metadata.name === name)
    if (lesson === undefined) throw new PodwireError('NOT_FOUND', `there is no lesson ${name} in ${folder}`)
    return withFlowSession(await flowLab(lab, client, signal), signal, session => runLesson(session, { ...run, lesson }))
  },
  async runUi({ lab, client, ...options }, signal) {
    const lessons = await readLessons(join(root, 'lessons'))
    await withFlowSession(await flowLab(lab, client, signal), signal, session =>
      runUi(
        session,
        {
          ...options,
          name: lab.spec.name,
          kubeconfig: lab.kubeconfig,
          lessons: lessons.map(({ lesson: { metadata, spec } }) => ({ name: metadata.name, title: spec.title })),
          scriptFile: builtProgram('live-page.js'),
          run: runShownCommand,
        },
        session.signal,
      ),
    )
  },
  workloads,
  runWorkload,
  runConformance,
  renderReport,
  renderDiff,
  renderBenchmark,
  compareRecords,
  benchCsv,
  renderLadder: standaloneLadderSvg,
  runProxyAgent: (options, signal) =>
    runProxyAgent(
      options,
      {
        membersFor: proxiesFor,
        hostname,
        connect: kubeconfig => createClient(loadKubeconfig(kubeconfig)),
        clock: systemClock,
        log: pino({ name: 'proxy' }, pino.destination(2)),
      },
      signal,
    ),
  runPolicyAgent: (options, signal) =>
    runPolicyAgent(
      options,
      {
        members: [
          { mode: 'nftables', backend: nftablesPolicy(execNftables(localMachine.run)) },
          {
            mode: 'iptables',
            backend: iptablesPolicy({
              ipset: execIpset(localMachine.run),
              iptables: { 4: execIptables(localMachine.run), 6: execIptables(localMachine.run, 6) },
            }),
          },
        ],
        hostname,
        connect: kubeconfig => createClient(loadKubeconfig(kubeconfig)),
        clock: systemClock,
        log: pino({ name: 'netpol' }, pino.destination(2)),
      },
      signal,
    ),
  // The doctor runs before anything is built, so it is no part of the bundle.
  doctor: async args =>
    ((await import(pathToFileURL(join(root, 'setup/doctor.mjs')).href)) as { doctor(args: readonly string[]): number }).doctor(args),
}

process.exitCode = await runCli(process.argv.slice(2), parts)
