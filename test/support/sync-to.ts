import type { Backend } from '../../src/reconcile/backend.js'

/** Brings the kernel to `desired` once, from what it holds. */
export async function syncTo<Desired, Applied, Plan>(
  backend: Backend<Desired, Applied, Plan>,
  desired: Desired,
  signal: AbortSignal,
): Promise<void> {
  await backend.apply(backend.plan(desired, await backend.observe(signal)), signal)
}
