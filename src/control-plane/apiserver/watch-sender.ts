import type { ServerResponse } from 'node:http'

import type { ApiServerResponse } from './answers.js'

/** So many events a reader may fall behind; then it is cut off, and lists again. */
const mostBehind = 1000
/** The present state goes out in pieces of so many bytes, each when the one before has left. */
const pieceBytes = 256 * 1024
/** How long a reader may take over what it was sent last, once its watch is over. */
const lastWaitMs = 10_000

/**
 * Sends events to one reader without ever holding more than a bounded number of them: what a slow reader has not taken stands as
 * references to what all readers share, not as bytes.
 */
export interface WatchSender {
  /** What is there before anything happens; any number. */
  present(events: Iterable<() => Buffer | string>): void
  /** What happened; once the sender is live, cuts the reader off when it falls too far behind. */
  push(event: Buffer | string): void
  /** From now on events are news: what was pushed before may take its time. */
  goLive(): void
  /** Ends the answer after what was pushed. */
  end(): void
}

export function createWatchSender(response: ApiServerResponse): WatchSender {
  let before: Iterator<() => Buffer | string> | undefined
  let queue: (Buffer | string)[] = []
  let isBlocked = false
  let isScheduled = false
  let isEnding = false
  let allowed = Number.POSITIVE_INFINITY

  /** Events of one turn of the loop go out in one write. */
  function schedule(): void {
    if (isScheduled || isBlocked) return
    isScheduled = true
    setImmediate(flush)
  }

  function flush(): void {
    isScheduled = false
    while (before && !isBlocked) writeOut(nextPiece(before))
    if (isBlocked) return
    const events = queue
    queue = []
    if (allowed !== Number.POSITIVE_INFINITY) allowed = mostBehind
    writeOut(events)
    if (isEnding) response.end()
  }

  function nextPiece(events: Iterator<() => Buffer | string>): (Buffer | string)[] {
    const piece: (Buffer | string)[] = []
    for (let size = 0; size < pieceBytes; ) {
      const { done, value } = events.next()
      if (done) {
        before = undefined
        break
      }
      const event = value()
      size += event.length
      piece.push(event)
    }
    return piece
  }

  function writeOut(events: readonly (Buffer | string)[]): void {
    if (events.length === 0 || response.destroyed) return
    const bytes =
      events.length === 1 ? events[0]! : Buffer.concat(events.map(event => (typeof event === 'string' ? Buffer.from(event) : event)))
    // Both kinds of response take either; their overloads share no common call.
    isBlocked = !(response as ServerResponse).write(bytes)
  }

  response.on('drain', () => {
    isBlocked = false
    flush()
  })

  return {
    present(events) {
      before = events[Symbol.iterator]()
      schedule()
    },
    push(event) {
      queue.push(event)
      if (queue.length > allowed) response.destroy()
      else schedule()
    },
    goLive() {
      allowed = queue.length + mostBehind
    },
    end() {
      isEnding = true
      schedule()
      if (isBlocked) setTimeout(() => response.destroy(), lastWaitMs).unref()
    },
  }
}
