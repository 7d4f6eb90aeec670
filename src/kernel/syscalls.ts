import { getSystemErrorMap, getSystemErrorName } from 'node:util'
import koffi from 'koffi'

import { PodwireError } from '../base/errors/podwire-error.js'

/** The symbols of this very process: Node links the C library dynamically, whichever it is. */
const libc = koffi.load(null)

const sendto = libc.func('intptr_t sendto(int fd, const void *data, size_t length, int flags, const void *to, uint32_t toLength)')
const fcntl = libc.func('int fcntl(int fd, int command, void *argument)')

/** System calls that Node does not offer. Each returns what the C library returns; after -1 ask `lastErrno` at once. */
export const syscalls = {
  setns: libc.func('int setns(int fd, int nstype)') as (fd: number, type: number) => number,
  unshare: libc.func('int unshare(int flags)') as (flags: number) => number,
  socket: libc.func('int socket(int domain, int type, int protocol)') as (domain: number, type: number, protocol: number) => number,
  setsockopt: libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)') as (
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: number,
  ) => number,
  sendto: sendto as (fd: number, data: Uint8Array, length: number, flags: number, to: Uint8Array | null, toLength: number) => number,
  /** On a thread of libuv's pool, for requests that the kernel takes long over. */
  sendtoAsync: sendto.async as (
    fd: number,
    data: Uint8Array,
    length: number,
    flags: number,
    to: Uint8Array | null,
    toLength: number,
    done: (error: Error | null, result: number) => void,
  ) => void,
  recv: libc.func('intptr_t recv(int fd, void *data, size_t length, int flags)') as (
    fd: number,
    data: Uint8Array,
    length: number,
    flags: number,
  ) => number,
  ioctl: libc.func('int ioctl(int fd, unsigned long request, void *argument)') as (
    fd: number,
    request: number,
    argument: Uint8Array,
  ) => number,
  fcntl: fcntl as (fd: number, command: number, argument: Uint8Array) => number,
  /** On a thread of libuv's pool, for commands that wait. */
  fcntlAsync: fcntl.async as (
    fd: number,
    command: number,
    argument: Uint8Array,
    done: (error: Error | null, result: number) => void,
  ) => void,
  close: libc.func('int close(int fd)') as (fd: number) => number,
} as const

/** Where the bytes stand in memory, for structures that hold pointers. The caller keeps `bytes` alive during the system call. */
export const addressOf = (bytes: Uint8Array): bigint => koffi.address(bytes)

/** The errno of the last failed call, as `EEXIST`. */
export const lastErrno = (): string => errnoName(koffi.errno())

/** The name of an errno number: `EEXIST` for 17. */
export const errnoName = (errno: number): string => (errno > 0 ? getSystemErrorName(-errno) : `errno ${errno}`)

/** What the kernel said, kept as the `cause` of a KERNEL_REFUSED error; `code` is the errno's name, as in Node's own errors. */
export interface KernelAnswer extends Error {
  readonly code: string
}

/** The error for a refused operation: `add route 10.244.2.0/24: ENODEV, no such device (Device does not exist)`. */
export function kernelRefused(operation: string, errno: string, detail?: string): PodwireError {
  const words = [...getSystemErrorMap().values()].find(([name]) => name === errno)?.[1]
  const answer = `${errno}${words === undefined ? '' : `, ${words}`}${detail ? ` (${detail})` : ''}`
  return new PodwireError('KERNEL_REFUSED', `${operation}: ${answer}`, {
    cause: Object.assign(new Error(answer), { code: errno }) satisfies KernelAnswer,
  })
}

/** The errno's name when the kernel refused an operation with it; undefined for other errors. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof PodwireError) || error.code !== 'KERNEL_REFUSED') return undefined
  const { cause } = error
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
}

/** Runs `fn` until it is not interrupted by a signal; throws KERNEL_REFUSED when it answers -1. */
export function retryInterrupted(operation: string, fn: () => number): number {
  for (;;) {
    const result = fn()
    if (result !== -1) return result
    const errno = lastErrno()
    if (errno !== 'EINTR') throw kernelRefused(operation, errno)
  }
}
