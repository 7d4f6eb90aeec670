import { open } from 'node:fs/promises'

import type { Container } from '../../api/generated/types.js'
import type { RuntimeContainer } from './pod-runtime.js'

/** Source: Kubernetes documentation, termination messages: 4096 bytes of the file, 2048 bytes or 80 lines of the log. */
const limits = { fileBytes: 4096, logBytes: 2048, logLines: 80 }

/** What a container that ended left as its last words: its termination file, or for a failed one that asks for it the end of its log. */
export async function readTerminationMessage(
  { container, ended }: { readonly container: Container; readonly ended: RuntimeContainer },
  files: { readonly terminationLog: string; readonly log: string },
): Promise<string> {
  const written = await readEnd(files.terminationLog, limits.fileBytes)
  if (written !== '' || container.terminationMessagePolicy !== 'FallbackToLogsOnError' || ended.exitCode === 0) return written
  // A line of a CRI log is "time stream tag text".
  const lines = (await readEnd(files.log, limits.logBytes * 2)).split('\n').filter(line => line !== '')
  const text = lines.map(line => line.split(' ').slice(3).join(' ')).slice(-limits.logLines)
  return text.join('\n').slice(-limits.logBytes)
}

/** The last bytes of a file; empty when there is none. */
async function readEnd(path: string, bytes: number): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return ''
  try {
    const { size } = await file.stat()
    const start = Math.max(0, size - bytes)
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(Math.min(size, bytes)), position: start })
    return buffer.subarray(0, bytesRead).toString()
  } finally {
    await file.close()
  }
}
