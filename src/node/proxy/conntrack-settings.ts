import { availableParallelism } from 'node:os'

import type { PodwireError } from '../../base/errors/podwire-error.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { ensureSysctl, readSysctl } from '../../kernel/sysctl.js'
import type { KubeProxyConfiguration } from './kube-proxy-configuration.js'

/** One kernel parameter and what it shall hold. */
export interface ConntrackSetting {
  readonly key: string
  readonly value: number
  /** A limit that is higher already stays. */
  readonly isFloor: boolean
}

/** The connection tracking parameters that a configuration asks for; a time of 0 leaves the kernel's own (seconds). */
export function planConntrackSettings({ conntrack }: KubeProxyConfiguration, cpus = availableParallelism()): readonly ConntrackSetting[] {
  const base = 'net/netfilter/nf_conntrack'
  const most = conntrack.maxPerCore === 0 ? 0 : Math.max(conntrack.maxPerCore * cpus, conntrack.min)
  const seconds = (ms: number) => Math.round(ms / 1000)
  const times = [
    [`${base}_tcp_timeout_established`, conntrack.tcpEstablishedTimeout],
    [`${base}_tcp_timeout_close_wait`, conntrack.tcpCloseWaitTimeout],
    [`${base}_udp_timeout`, conntrack.udpTimeout],
    [`${base}_udp_timeout_stream`, conntrack.udpStreamTimeout],
  ] as const
  return [
    ...(most === 0 ? [] : [{ key: `${base}_max`, value: most, isFloor: true }]),
    ...times.filter(([, ms]) => ms > 0).map(([key, ms]) => ({ key, value: seconds(ms), isFloor: false })),
    ...(conntrack.tcpBeLiberal ? [{ key: `${base}_tcp_be_liberal`, value: 1, isFloor: false }] : []),
  ]
}

/** Applies what can be applied; each parameter that cannot be set (read-only in a namespace, unknown to this kernel) is told to `onRefused`. */
export function applyConntrackSettings(
  settings: readonly ConntrackSetting[],
  onRefused: (setting: ConntrackSetting, error: PodwireError) => void,
): void {
  for (const setting of settings) {
    try {
      if (setting.isFloor && Number(readSysctl(setting.key)) >= setting.value) continue
      ensureSysctl(setting.key, String(setting.value))
    } catch (error) {
      if (!isPodwireError(error)) throw error
      onRefused(setting, error)
    }
  }
}
