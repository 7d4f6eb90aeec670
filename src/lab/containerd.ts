import { nodePaths } from '../base/config/agent-config.js'
import { isPodwireError, PodwireError } from '../base/errors/podwire-error.js'
import { systemClock } from '../base/time/clock.js'
import { withTimeLimit } from '../base/time/time-limit.js'
import type { Host, StartedProcess } from '../kernel/host.js'
import { imageNames } from './images/image-plan.js'

/** Where one containerd keeps its data and answers. */
export interface ContainerdPaths {
  /** Persistent data: images, snapshots. */
  readonly root: string
  /** What lives as long as the machine: sockets of shims, bundles. */
  readonly state: string
  readonly socket: string
}

/** The paths on a node, equal to those of the distribution's own set-up. */
export const containerdNodePaths: ContainerdPaths = {
  root: '/var/lib/containerd',
  state: '/run/containerd',
  socket: nodePaths.containerdSocket,
}

export const containerdConfigFile = '/etc/containerd/config.toml'

/** What needs hardware or file systems that a node does not have; probing for them only costs time at start. */
const unusedPlugins = [
  'snapshotter.v1.aufs',
  'snapshotter.v1.btrfs',
  'snapshotter.v1.devmapper',
  'snapshotter.v1.zfs',
  'internal.v1.tracing',
]

function commonConfig(paths: ContainerdPaths, disabled: readonly string[]): string {
  return `version = 2
root = "${paths.root}"
state = "${paths.state}"
disabled_plugins = [${disabled.map(plugin => `"io.containerd.${plugin}"`).join(', ')}]

[grpc]
  address = "${paths.socket}"
`
}

/** A containerd that only stores images: no container runtime interface, no streaming port. */
export const imageStoreConfig = (paths: ContainerdPaths): string => commonConfig(paths, [...unusedPlugins, 'grpc.v1.cri'])

/**
 * The configuration of a node's containerd 1.6: Pods run under crun with the cgroupfs driver, images are only ever imported.
 *
 * AppArmor has no profiles loaded in a node, and a negative oom_score_adj needs CAP_SYS_RESOURCE, which a node may lack.
 */
export function nodeContainerdConfig(paths: ContainerdPaths = containerdNodePaths): string {
  return `${commonConfig(paths, unusedPlugins)}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${imageNames.pause}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${nodePaths.cniBinDir}"
    conf_dir = "${nodePaths.cniConfDir}"
    max_conf_num = 1
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "crun"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun.options]
        BinaryName = "/usr/bin/crun"
        SystemdCgroup = false
`
}

/**
 * Starts a node's containerd and waits until it answers. Its configuration file must be at `containerdConfigFile`.
 * The process outlives this one; the host's PID 1 ends it.
 * Errors: RUNTIME_FAILED when it ends before it answers, with the place of its log.
 */
export async function startContainerd(host: Host, signal: AbortSignal): Promise<StartedProcess> {
  // The socket of a containerd that was killed would be refused instead of waited for.
  await host.run(['rm', '--force', nodePaths.containerdSocket], { signal })
  const argv = ['containerd', '--config', containerdConfigFile]
  const daemon = host.start(argv, { logFile: nodePaths.containerdLog, detached: true })
  await waitForContainerd({ host, daemon, socket: nodePaths.containerdSocket, log: nodePaths.containerdLog }, signal)
  return daemon
}

interface Waiting {
  readonly host: Host
  readonly daemon: StartedProcess
  readonly socket: string
  readonly log: string
}

/** How long a containerd may take to answer, and how soon a refused question is asked again. */
const answerLimitMs = 30_000
const askAgainMs = 50

/** Resolves when containerd answers on its socket. */
export async function waitForContainerd({ host, daemon, socket, log }: Waiting, signal: AbortSignal): Promise<void> {
  const waiting = new AbortController()
  const ended = daemon.ended.then(status => {
    throw new PodwireError('RUNTIME_FAILED', `containerd on ${host.name} ended with status ${status} before it answered`, {
      hint: `Its log is ${log} on ${host.name}.`,
    })
  })
  const limit = { ms: answerLimitMs, signal: AbortSignal.any([signal, waiting.signal]) }
  const answered = withTimeLimit(limit, (limited, isOver) =>
    untilAnswered(host, socket, limited).catch(error => {
      if (!isOver()) throw error
      throw new PodwireError('RUNTIME_FAILED', `containerd on ${host.name} did not answer within ${answerLimitMs / 1000} s`, {
        hint: `Its log is ${log} on ${host.name}.`,
        cause: error,
      })
    }),
  )
  try {
    await Promise.race([answered, ended])
  } finally {
    waiting.abort()
    answered.catch(() => {})
    ended.catch(() => {})
  }
}

/** `ctr` waits for the socket's file by itself; between the daemon's bind and its listen the kernel refuses, and `ctr` gives up. */
async function untilAnswered(host: Host, socket: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await host.run(['ctr', '--address', socket, '--connect-timeout', `${answerLimitMs}ms`, 'version'], { signal })
      return
    } catch (error) {
      if (!isPodwireError(error, 'COMMAND_FAILED') || signal.aborted) throw error
    }
    await systemClock.sleep(askAgainMs, signal)
  }
}
