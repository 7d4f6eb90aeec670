import type { ApiResource } from '../api/api-resource.js'
import { PodwireError } from '../base/errors/podwire-error.js'
import type { ApiObject, Client, ListOptions } from './client.js'
import { createInformer } from './http-informer.js'
import type { Informer } from './informer.js'

export interface WaitOptions<T> {
  /** What is waited for, as the message of TIMED_OUT says it: `3 Nodes to be Ready`. */
  readonly what: string
  readonly timeoutMs: number
  /** What is there now, in a few words, for the same message. */
  readonly describe?: (objects: readonly T[]) => string
}

/** Objects of one resource to look at. */
export interface Selection<T> extends Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'> {
  readonly resource: ApiResource<T>
}

/** Waits until `isMet` holds for the objects on the server, and returns them. Errors: TIMED_OUT; the signal's reason. */
export async function waitFor<T extends ApiObject>(
  client: Client,
  { resource, ...selection }: Selection<T>,
  isMet: (objects: readonly T[]) => boolean,
  options: WaitOptions<T>,
  signal: AbortSignal,
): Promise<readonly T[]> {
  const stop = new AbortController()
  let lastError: unknown
  const informer = createInformer(client, resource, {
    ...selection,
    onError: error => {
      lastError = error
    },
  })
  const running = informer.run(AbortSignal.any([signal, stop.signal]))
  try {
    return await waitForInformer(informer, isMet, options, signal)
  } catch (error) {
    if (error instanceof PodwireError && error.code === 'TIMED_OUT' && !informer.isSynced && lastError !== undefined) {
      throw new PodwireError('TIMED_OUT', `${error.message}; the server never answered`, { cause: lastError })
    }
    throw error
  } finally {
    stop.abort()
    await running
  }
}

/** The same over an informer that runs already. */
export function waitForInformer<T>(
  informer: Informer<T>,
  isMet: (objects: readonly T[]) => boolean,
  { what, timeoutMs, describe }: WaitOptions<T>,
  signal: AbortSignal,
): Promise<readonly T[]> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      clearTimeout(timer)
      stopListening()
      signal.removeEventListener('abort', abort)
      settle()
    }
    const look = () => {
      if (!informer.isSynced) return
      const objects = informer.list()
      try {
        if (isMet(objects)) end(() => resolve(objects))
      } catch (error) {
        end(() => reject(error))
      }
    }
    const abort = () => end(() => reject(signal.reason))
    const timer = setTimeout(() => {
      const seen = informer.isSynced ? (describe?.(informer.list()) ?? `${informer.list().length} objects there`) : 'nothing seen yet'
      end(() => reject(new PodwireError('TIMED_OUT', `Waited ${timeoutMs / 1000} s for ${what}: ${seen}`)))
    }, timeoutMs)
    const stopListening = informer.onChange(look)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    else void informer.synced.then(look)
  })
}
