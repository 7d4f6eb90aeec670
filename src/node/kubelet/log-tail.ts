import type { FileHandle } from 'node:fs/promises'

const blockBytes = 64 * 1024
const newline = 0x0a

/** Where the last `lines` lines of a file of `size` bytes begin; a line without its newline yet counts. */
export async function tailOffset(file: Pick<FileHandle, 'read'>, size: number, lines: number): Promise<number> {
  if (lines === 0) return size
  const block = Buffer.alloc(blockBytes)
  let found = 0
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - blockBytes)
    const { bytesRead } = await file.read(block, 0, end - start, start)
    for (let i = bytesRead - 1; i >= 0; i--) {
      const isLast = start + i === size - 1 // Ends the last line rather than beginning it.
      if (block[i] !== newline || isLast) continue
      found += 1
      if (found === lines) return start + i + 1
    }
    end = start
  }
  return 0
}
