import type { Host } from '../kernel/host.js'
import { withCallLock } from './call-lock.js'
import { cniErrorAnswer } from './cni-error.js'
import { formatResult } from './cni-result.js'
import { type CniVersion, parseCniVersion, requireCniVersion, supportedVersions } from './cni-version.js'
import { addLoopback, checkLoopback } from './loopback.js'
import { NetConf, PodNetConf, parseConf, parseConfText } from './net-conf.js'
import type { PodDatapath } from './pod-interface.js'
import { openPodNetwork, type PodNetwork } from './pod-network.js'
import { type CniCall, type CniRequest, type PodNames, parseCniRequest } from './request.js'

/** What a plugin process leaves: its exit status and standard output (empty for a success without a result). */
export interface CniAnswer {
  readonly status: 0 | 1
  readonly stdout: string
}

export interface CniPluginOptions {
  readonly datapath: PodDatapath
  /** Runs the plugins that addresses are left to, in the node's namespaces. */
  readonly run: Host['run']
  /** Why Pods cannot be added now; undefined when they can. */
  readonly notReady?: () => string | undefined
  /** Resolves when a Pod that has been connected may start; ADD answers then. When it rejects, ADD fails, and the runtime takes back what was made. */
  readonly admit?: (pod: PodNames) => Promise<void>
}

/**
 * The CNI plugin by specification 1.1.0, for configurations of type `podwire`, and `loopback` for containerd.
 *
 * A call never rejects: what went wrong is the answer. Calls for the same container, in whatever process, run one after the other, and GC runs alone.
 */
export function createCniPlugin({
  datapath,
  run,
  notReady = () => undefined,
  admit = async () => {},
}: CniPluginOptions): (call: CniCall) => Promise<CniAnswer> {
  async function runPodwire(request: CniRequest, call: CniCall, { value, version }: { value: object; version: CniVersion }) {
    const conf = parseConf(PodNetConf, value)
    const network = openPodNetwork({ datapath, run, notReady }, conf, call)
    return withCallLock(conf.stateDir, request, () => serve(network, request, version))
  }

  async function serve(network: PodNetwork, request: CniRequest, version: CniVersion) {
    switch (request.command) {
      case 'ADD': {
        const result = await network.add(request)
        await admit(request.pod)
        return formatResult(result, version)
      }
      case 'DEL':
        await network.del(request)
        return undefined
      case 'CHECK':
        await network.check(request)
        return undefined
      case 'GC':
        await network.gc()
        return undefined
      case 'STATUS':
        await network.status()
        return undefined
      case 'VERSION':
        return undefined
    }
  }

  return async call => {
    let cniVersion: string = supportedVersions.at(-1)!
    try {
      const request = parseCniRequest(call.env)
      const value = parseConfText(call.stdin)
      if (request.command === 'VERSION') {
        return succeed({ cniVersion: typeof value.cniVersion === 'string' ? value.cniVersion : cniVersion, supportedVersions })
      }
      const version = parseCniVersion(value.cniVersion)
      cniVersion = version
      if (request.command === 'CHECK') requireCniVersion(version, '0.4.0', request.command)
      if (request.command === 'GC' || request.command === 'STATUS') requireCniVersion(version, '1.1.0', request.command)
      if (value.type !== 'loopback') return succeed(await runPodwire(request, call, { value, version }))
      parseConf(NetConf, value)
      return succeed(runLoopback(request, version))
    } catch (error) {
      return { status: 1, stdout: `${JSON.stringify(cniErrorAnswer(error, cniVersion))}\n` }
    }
  }
}

const succeed = (result: object | undefined): CniAnswer => ({
  status: 0,
  stdout: result === undefined ? '' : `${JSON.stringify(result)}\n`,
})

function runLoopback(request: CniRequest, version: CniVersion): object | undefined {
  if (request.command === 'ADD') return formatResult(addLoopback(request.netns, request.ifname), version)
  if (request.command === 'CHECK') checkLoopback(request.netns, request.ifname)
  return undefined // The loopback goes with its namespace.
}
