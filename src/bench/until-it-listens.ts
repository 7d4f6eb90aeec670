import { once } from 'node:events'

import type { StartedProcess } from '../kernel/host.js'

/** Waits until a server has said on its standard output that it listens. */
export async function untilItListens({ stdout }: StartedProcess, signal: AbortSignal): Promise<void> {
  let said = ''
  while (stdout !== undefined && !/listening/i.test(said)) said += String((await once(stdout, 'data', { signal }))[0])
  stdout?.resume()
}
