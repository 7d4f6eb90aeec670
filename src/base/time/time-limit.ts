/**
 * Runs `work` with a signal that aborts with `signal` or after `ms`, whichever is first; `isOver` tells afterwards that it was the time.
 *
 * A timer of its own, not AbortSignal.timeout: joined by AbortSignal.any that one is collected as garbage on Node 20 and never fires.
 */
export async function withTimeLimit<T>(
  { ms, signal }: { readonly ms: number; readonly signal: AbortSignal | undefined },
  work: (limited: AbortSignal, isOver: () => boolean) => Promise<T>,
): Promise<T> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(new DOMException(`not done within ${ms} ms`, 'TimeoutError')), ms)
  const limited = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal])
  try {
    return await work(limited, () => limit.signal.aborted && !signal?.aborted)
  } finally {
    clearTimeout(timer)
  }
}
