import { access, closeSync, openSync } from 'node:fs'

import { PodwireError } from '../base/errors/podwire-error.js'
import { kernelRefused, lastErrno, syscalls } from './syscalls.js'

const CLONE_NEWNET = 0x40000000
const currentNetns = '/proc/thread-self/ns/net'

// libuv starts its threads at the first asynchronous file operation, in the namespace of that moment, and they stay there: start them now.
access('/', () => {})

/** The path of a process's network namespace, as this process sees it. */
export const netnsOf = (pid: number): string => `/proc/${pid}/ns/net`

/**
 * Runs `fn` with this thread in the network namespace at `path`, and goes back. Calls may nest.
 *
 * `fn` is synchronous: what it awaits would run in the old namespace, so returning a promise is an INTERNAL error.
 * Inside, these meet the namespace: netlink, spawned processes, synchronous reads below /proc/sys and /proc/thread-self/net,
 * `listen(port)` without a host. These do not: /proc/net, `dgram.bind(port)`, `listen(port, address)`, `net.connect`.
 *
 * Errors: NOT_FOUND when nothing is at `path`, KERNEL_REFUSED when it is no network namespace. A process that cannot go back aborts:
 * everything it did from then on would hit the wrong network.
 */
export function withNetns<T>(path: string, fn: () => T): T {
  const target = openNamespace(path)
  let home: number
  try {
    home = openNamespace(currentNetns)
  } catch (error) {
    closeSync(target)
    throw error
  }
  let result: T
  try {
    if (syscalls.setns(target, CLONE_NEWNET) !== 0) throw kernelRefused(`enter network namespace ${path}`, lastErrno())
    try {
      result = fn()
    } finally {
      if (syscalls.setns(home, CLONE_NEWNET) !== 0) process.abort()
    }
  } finally {
    closeSync(home)
    closeSync(target)
  }
  if (result instanceof Promise) throw new PodwireError('INTERNAL', `withNetns(${path}) was given a function that awaits`)
  return result
}

/** A network namespace that lives as long as something is in it or this handle is open. */
export interface NetnsHandle {
  /** Valid in every process of the same PID namespace while the handle is open. */
  readonly path: string
  readonly fd: number
  close(): void
}

/** Makes an empty network namespace (only a downed `lo`). KERNEL_REFUSED without the right to. */
export function createNetns(): NetnsHandle {
  const home = openNamespace(currentNetns)
  try {
    if (syscalls.unshare(CLONE_NEWNET) !== 0) throw kernelRefused('make a network namespace', lastErrno())
    try {
      const fd = openNamespace(currentNetns)
      return { fd, path: `/proc/${process.pid}/fd/${fd}`, close: () => closeSync(fd) }
    } finally {
      if (syscalls.setns(home, CLONE_NEWNET) !== 0) process.abort()
    }
  } finally {
    closeSync(home)
  }
}

function openNamespace(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    throw new PodwireError('NOT_FOUND', `no network namespace at ${path}`, { cause })
  }
}
