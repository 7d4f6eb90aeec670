import { type FSWatcher, watch } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'

import { PodwireError } from '../../base/errors/podwire-error.js'
import type { Clock } from '../../base/time/clock.js'
import { parseLogLine } from './log-line.js'
import { tailOffset } from './log-tail.js'

/** Which part of a log a reader wants, and how. */
export interface LogChoice {
  /** Goes on for as long as the container runs. */
  readonly follow: boolean
  readonly tailLines: number | undefined
  readonly sinceMs: number | undefined
  readonly timestamps: boolean
  readonly limitBytes: number | undefined
}

export interface LogSource {
  readonly file: string
  readonly clock: Clock
  /** Whether more may be written. */
  isRunning(signal: AbortSignal): Promise<boolean>
}

const blockBytes = 64 * 1024
/** How often a follower asks whether its container still runs; new lines come at once. */
const stateCheckMs = 1_000
const newline = Buffer.from('\n')

/**
 * The text of a container's log, without what the runtime adds to each line. A file that the runtime replaces is read to its end first.
 * Errors: NOT_FOUND without the file; the signal's reason when aborted.
 */
export async function* readContainerLog(source: LogSource, choice: LogChoice, signal: AbortSignal): AsyncGenerator<Buffer, void> {
  const render = logRenderer(choice)
  let file = await openLog(source.file)
  const changes = watchFile(source, signal)
  try {
    let offset = choice.tailLines === undefined ? 0 : await tailOffset(file, (await file.stat()).size, choice.tailLines)
    let torn: Buffer = Buffer.alloc(0)
    let checkedMs = Number.NEGATIVE_INFINITY
    for (;;) {
      signal.throwIfAborted()
      const next = changes.next() // Before reading: what comes meanwhile is not missed.
      let isLastRound = !choice.follow
      if (choice.follow && source.clock.now() - checkedMs >= stateCheckMs) {
        checkedMs = source.clock.now()
        isLastRound = !(await source.isRunning(signal))
      }
      const { ino } = await file.stat()
      const replaced = choice.follow && (await inodeAt(source.file)) !== ino
      for (;;) {
        const block = Buffer.alloc(blockBytes)
        const { bytesRead } = await file.read(block, 0, blockBytes, offset)
        if (bytesRead === 0) break
        offset += bytesRead
        const bytes = Buffer.concat([torn, block.subarray(0, bytesRead)])
        const end = bytes.lastIndexOf(newline) + 1
        torn = bytes.subarray(end)
        const { text, isFull } = render(bytes.subarray(0, end))
        if (text.length > 0) yield text
        if (isFull) return
        signal.throwIfAborted()
      }
      if (replaced) {
        const newer = await openLog(source.file).catch(() => undefined)
        if (newer) {
          await file.close()
          file = newer
          changes.watchAgain()
          offset = 0
          torn = Buffer.alloc(0)
          continue
        }
      }
      if (isLastRound) return
      await next
    }
  } finally {
    changes.close()
    await file.close()
  }
}

async function openLog(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (cause) {
    throw new PodwireError('NOT_FOUND', `failed to open log file ${JSON.stringify(path)}: ${(cause as Error).message}`, { cause })
  }
}

const inodeAt = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ ino }) => ino,
    () => undefined,
  )

/** Turns whole lines of the file into what the reader sees; says when the reader has had all it wanted. */
function logRenderer({
  sinceMs,
  timestamps,
  limitBytes,
}: LogChoice): (lines: Buffer) => { readonly text: Buffer; readonly isFull: boolean } {
  let left = limitBytes ?? Number.POSITIVE_INFINITY
  let isAtLineStart = true
  return lines => {
    const pieces: Buffer[] = []
    for (let start = 0; start < lines.length && left > 0; ) {
      const end = lines.indexOf(newline, start)
      const line = parseLogLine(lines.subarray(start, end))
      start = end + 1
      if (!line || (sinceMs !== undefined && line.timeMs < sinceMs)) continue
      const stamp = timestamps && isAtLineStart ? [Buffer.from(`${line.time} `)] : []
      const whole = Buffer.concat([...stamp, line.text, ...(line.isWhole ? [newline] : [])])
      isAtLineStart = line.isWhole
      pieces.push(whole.subarray(0, left))
      left -= Math.min(left, whole.length)
    }
    return { text: Buffer.concat(pieces), isFull: left === 0 }
  }
}

interface Changes {
  /** Resolves at the file's next change, or when it is time to ask whether the container still runs. */
  next(): Promise<void>
  /** Another file is at the path now. */
  watchAgain(): void
  close(): void
}

function watchFile({ file, clock }: LogSource, signal: AbortSignal): Changes {
  const closing = new AbortController()
  const ends = AbortSignal.any([signal, closing.signal])
  let wake = () => {}
  let watcher: FSWatcher | undefined
  const watchAgain = () => {
    watcher?.close()
    try {
      watcher = watch(file, () => wake())
      watcher.on('error', () => watcher?.close()) // The timer goes on.
    } catch {
      watcher = undefined // It is being replaced.
    }
  }
  watchAgain()
  return {
    watchAgain,
    async next() {
      const change = new Promise<void>(resolve => {
        wake = resolve
      })
      const timer = new AbortController()
      await Promise.race([change, clock.sleep(stateCheckMs, AbortSignal.any([ends, timer.signal])).catch(() => {})])
      timer.abort()
    },
    close() {
      closing.abort()
      watcher?.close()
      wake()
    },
  }
}
