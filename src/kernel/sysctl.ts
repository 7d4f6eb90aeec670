import { readFileSync, writeFileSync } from 'node:fs'

import { PodwireError } from '../base/errors/podwire-error.js'
import { kernelRefused } from './syscalls.js'

/** Kernel parameters of one network namespace; keys and errors as below. */
export interface Sysctls {
  read(key: string): string
  ensure(key: string, value: string): void
}

/** Those of the namespace in which `enter` runs functions: as it is, that of this thread. */
export const kernelSysctls = (enter: <T>(fn: () => T) => T = fn => fn()): Sysctls => ({
  read: key => enter(() => readSysctl(key)),
  ensure: (key, value) => enter(() => ensureSysctl(key, value)),
})

/**
 * The value of a kernel parameter in the network namespace this thread is in. Keys are paths, since interface names may hold dots:
 * `net/ipv4/ip_forward`. KERNEL_UNSUPPORTED when this kernel has no such parameter.
 */
export function readSysctl(key: string): string {
  return access('read', key, path => readFileSync(path, 'utf8').trim())
}

/** Makes a kernel parameter hold `value`; writes only what differs, so that read-only parameters that are right are no error. */
export function ensureSysctl(key: string, value: string): void {
  if (readSysctl(key) !== value) access(`set to ${value}`, key, path => writeFileSync(path, value))
}

function access<T>(verb: string, key: string, fn: (path: string) => T): T {
  try {
    return fn(`/proc/sys/${key}`)
  } catch (cause) {
    const { code = 'EIO' } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new PodwireError('KERNEL_UNSUPPORTED', `this kernel has no parameter ${key}`, { cause })
    throw kernelRefused(`${verb} kernel parameter ${key}`, code)
  }
}
