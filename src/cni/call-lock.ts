import { createHash } from 'node:crypto'
import { join } from 'node:path'

import { everyByte, withFileLock } from '../kernel/file-lock.js'
import type { CniRequest } from './request.js'

/**
 * Keeps a call apart from those of other processes on the same node: the agent and the plugin by itself serve side by side while the agent restarts.
 *
 * One file, of which every container has a byte and GC needs all, so nothing accumulates and nothing is left locked by one that was killed.
 */
export function withCallLock<T>(stateDir: string, request: CniRequest, work: () => Promise<T>): Promise<T> {
  if (request.command === 'STATUS' || request.command === 'VERSION') return work()
  const bytes = 'containerId' in request ? { start: placeOf(request.containerId), length: 1n } : everyByte
  return withFileLock(join(stateDir, 'lock'), bytes, work)
}

const placeOf = (containerId: string): bigint => createHash('sha256').update(containerId).digest().readBigUInt64LE(0) >> 2n
