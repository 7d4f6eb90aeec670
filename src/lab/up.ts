import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { nodePaths } from '../base/config/agent-config.js'
import { isPodwireError, PodwireError } from '../base/errors/podwire-error.js'
import type { Client } from '../client/client.js'
import { createClient } from '../client/http-client.js'
import { loadKubeconfig } from '../client/kubeconfig.js'
import { packageRoot } from '../kernel/built-program.js'
import type { StartedProcess } from '../kernel/host.js'
import { localMachine } from '../kernel/local-machine.js'
import { requireIpvs } from '../kernel/netlink-ipvs.js'
import { startAgentProcess } from './agent-process.js'
import { type ApiSocket, openApiSocket } from './api-socket.js'
import { claimLab } from './claim-lab.js'
import { applyClusterDns, applyOwnKinds, waitForClusterDns, waitForNodes } from './cluster-ready.js'
import { containerdConfigFile, containerdNodePaths, nodeContainerdConfig, startContainerd } from './containerd.js'
import { downLab } from './down.js'
import { cloneTemplate, ensureContainerdTemplate } from './images/containerd-template.js'
import { ensureImages } from './images/ensure-images.js'
import type { Lab, UpOptions, UpReport } from './lab.js'
import { writeAdminKubeconfig, writeCredentials } from './lab-credentials.js'
import { cacheDir, labPaths } from './lab-paths.js'
import { LabSpec } from './lab-spec.js'
import { netnsSubstrate } from './netns-substrate.js'
import { startRouter } from './router-process.js'
import { startServer } from './server-process.js'
import { createStopwatch } from './stopwatch.js'
import type { LabHost } from './substrate.js'

/**
 * Brings a lab up: hosts, control plane, nodes, name server; resolves when all nodes are Ready and the name server answers.
 *
 * Whatever goes wrong, also an abort, leaves nothing of the lab. Errors: CONFIG_INVALID, KERNEL_UNSUPPORTED (proxy ipvs), ALREADY_EXISTS and
 * PORT_IN_USE before anything is made; later those of the steps, TIMED_OUT and ABORTED among them.
 */
export async function upLab(wanted: LabSpec, options: UpOptions): Promise<UpReport> {
  const spec = validLab(wanted)
  if (spec.proxy === 'ipvs') requireIpvs()
  claimLab(spec.name)
  try {
    const socket = await openApiSocket(spec.api.port)
    try {
      return await build(spec, socket, options)
    } finally {
      socket.close()
    }
  } catch (error) {
    await downLab(spec.name, AbortSignal.timeout(30_000))
    if (options.signal.aborted && !isPodwireError(error, 'ABORTED')) {
      throw new PodwireError('ABORTED', `lab ${spec.name} was not brought up; what was there of it has been removed`, { cause: error })
    }
    throw error
  }
}

/** A specification need not come from a file, and an option may have changed its name since. */
function validLab(spec: LabSpec): LabSpec {
  const result = LabSpec.safeParse(spec)
  if (!result.success) throw new PodwireError('CONFIG_INVALID', `not a valid lab:\n${z.prettifyError(result.error)}`)
  return result.data
}

async function build(spec: LabSpec, socket: ApiSocket, { signal, onStep }: UpOptions): Promise<UpReport> {
  const paths = labPaths(spec.name)
  const watch = createStopwatch(onStep)
  const daemons = watchDaemons()
  const givenUp = new AbortController()
  const until = AbortSignal.any([signal, daemons.failed, givenUp.signal])
  try {
    writeFileSync(paths.spec, JSON.stringify(spec, undefined, 2))

    const template = await watch.time('images', () => prepareImages(until))
    const [pki, hosts] = await allOrNone([
      watch.time('certificates', () => writeCredentials(spec)),
      watch.time('hosts', () => createHosts(spec, template, until)),
    ] as const)
    const nodes = hosts.filter(({ role }) => role === 'node')
    const router = hosts.find(({ role }) => role === 'router')
    if (router) await watch.time('router', () => startRouter(spec, router.host, until))

    writeAdminKubeconfig(spec, pki, socket.port)
    const controlPlane = hosts.find(({ role }) => role === 'control-plane')!
    const server = startServer(spec, controlPlane.host, socket.fd)
    socket.close()
    daemons.add({ process: server, name: 'the server', logFile: paths.serverLog })
    const client = createClient(loadKubeconfig(paths.kubeconfig))
    try {
      await Promise.all([
        watch
          .time('API server', () => waitForServer(client, until))
          .then(async () => {
            await applyClusterDns(spec, client, until)
            await applyOwnKinds(client, until)
          }),
        watch.time('container runtimes', () => startRuntimes(nodes, until)),
      ])
      for (const node of nodes) {
        const logFile = paths.onHost(node.host.name, nodePaths.agentLog)
        daemons.add({ process: startAgentProcess(spec, node), name: `the agent of ${node.host.name}`, logFile })
      }
      await watch.time('nodes', () => waitForNodes(spec, client, until))
      await watch.time('name server', () => waitForClusterDns(spec, client, nodes[0]!.host, until))
    } finally {
      client.close()
    }
    const lab: Lab = { spec, hosts, kubeconfig: paths.kubeconfig }
    return { lab, steps: watch.steps() }
  } catch (error) {
    givenUp.abort()
    // A daemon that ended is why the waiting failed.
    throw daemons.failed.aborted && !signal.aborted ? daemons.failed.reason : error
  }
}

/** The results of all, or the first error once nothing is under way any more: what was made can then be found and removed. */
async function allOrNone<const T extends readonly Promise<unknown>[]>(all: T) {
  await Promise.allSettled(all)
  return Promise.all(all)
}

/** The folder that each node's containerd data is cloned from. */
async function prepareImages(signal: AbortSignal): Promise<string> {
  const distDir = join(packageRoot(), 'dist')
  const images = await ensureImages({ host: localMachine, distDir, cacheDir: `${cacheDir}/images` }, signal)
  return ensureContainerdTemplate(images, { host: localMachine, cacheDir: `${cacheDir}/containerd` }, signal)
}

async function createHosts(spec: LabSpec, template: string, signal: AbortSignal): Promise<readonly LabHost[]> {
  const { onHost } = labPaths(spec.name)
  const hosts = await netnsSubstrate.create(spec, signal)
  await allOrNone(
    spec.nodes.map(async ({ name }) => {
      writeFileSync(onHost(name, containerdConfigFile), nodeContainerdConfig())
      await cloneTemplate(template, onHost(name, containerdNodePaths.root), localMachine, signal)
    }),
  )
  return hosts
}

async function startRuntimes(nodes: readonly LabHost[], signal: AbortSignal): Promise<void> {
  await allOrNone(nodes.map(({ host }) => startContainerd(host, signal)))
}

/** The socket listens already, so the first request waits in it until the server takes it. */
async function waitForServer(client: Client, signal: AbortSignal): Promise<void> {
  await client.raw('GET', '/readyz', undefined, signal)
}

interface Daemon {
  readonly process: StartedProcess
  readonly name: string
  readonly logFile: string
}

/** Aborts `failed` when a process that should go on ends; the reason carries the end of its log, which is about to be removed. */
function watchDaemons() {
  const failed = new AbortController()
  return {
    failed: failed.signal,
    add({ process, name, logFile }: Daemon): void {
      void process.ended.then(status => {
        const log = existsSync(logFile) ? readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-12).join('\n') : ''
        failed.abort(new PodwireError('COMMAND_FAILED', `${name} ended with status ${status}${log && `; its last words:\n${log}`}`))
      })
    },
  }
}
