import { closeSync, openSync } from 'node:fs'

import { kernelRefused, lastErrno, syscalls } from './syscalls.js'

/** Bytes of a lock file; length 0 reaches to infinity. The file need not have them. */
export interface LockedBytes {
  readonly start: bigint
  readonly length: bigint
}

export const everyByte: LockedBytes = { start: 0n, length: 0n }

const trySet = 37 // F_OFD_SETLK
const waitAndSet = 38 // F_OFD_SETLKW
const writeLock = 1 // F_WRLCK

/**
 * Runs `work` while nobody else, in this process or another, holds any of these bytes of `file`, which is made when missing.
 *
 * An open-file-description lock (Linux 3.15): the kernel lets go of it when its holder dies, however it does. A lock that is taken is waited for off the main
 * thread. Errors: KERNEL_REFUSED where the file system has no locks.
 */
export async function withFileLock<T>(file: string, bytes: LockedBytes, work: () => Promise<T>): Promise<T> {
  const fd = openSync(file, 'a+', 0o600)
  try {
    await take(fd, file, bytes)
    return await work()
  } finally {
    closeSync(fd)
  }
}

async function take(fd: number, file: string, { start, length }: LockedBytes): Promise<void> {
  // struct flock of 64-bit machines: type, whence (from the start), four bytes of nothing, start, length, pid (0).
  const lock = Buffer.alloc(32)
  lock.writeInt16LE(writeLock, 0)
  lock.writeBigInt64LE(start, 8)
  lock.writeBigInt64LE(length, 16)
  if (syscalls.fcntl(fd, trySet, lock) === 0) return
  const errno = lastErrno()
  if (errno !== 'EAGAIN' && errno !== 'EACCES') throw kernelRefused(`lock ${file}`, errno)
  // The errno of another thread cannot be asked for. The answer is known all the same: the lock itself is one the kernel takes.
  const status = await new Promise<number>((resolve, reject) => {
    syscalls.fcntlAsync(fd, waitAndSet, lock, (error, result) => (error ? reject(error) : resolve(result)))
  })
  if (status !== 0) throw kernelRefused(`lock ${file}`, 'EINTR')
}
