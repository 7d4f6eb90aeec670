import type { Change, HopStep, PathStep } from '../base/net/path.js'

/** How a connection to a Service is translated. */
export interface ServiceTranslation {
  /** The host on which the client's packet first meets the rules; its conntrack holds the translation. */
  readonly host: string
  /** Whether the source becomes the host's own: for clients outside the Pod range, NodePorts, and a Pod that reaches itself. */
  readonly isMasqueraded: boolean
}

/**
 * Where the rules rewrite a packet on its way, as further changes of the hops after the hooks.
 *
 * There: the destination at PREROUTING (of the host's own packets at OUTPUT), the source at POSTROUTING.
 * Back: conntrack undoes the source at PREROUTING and the destination, which is the reply's source, at POSTROUTING.
 */
export function translateService(
  steps: readonly PathStep[],
  { host, isMasqueraded }: ServiceTranslation,
  direction: 'path' | 'reply',
): readonly HopStep[] {
  const first: readonly Change[] = direction === 'path' || isMasqueraded ? ['dst', 'dport'] : []
  const last: readonly Change[] = direction === 'reply' ? ['src', 'sport'] : isMasqueraded ? ['src', 'sport'] : []
  const pending = { first, last }
  let changes: readonly Change[] = []
  const hops: HopStep[] = []
  for (const step of steps) {
    if (step.kind === 'hook') {
      if (step.host !== host) continue
      const which = step.hook === 'postrouting' ? 'last' : 'first'
      changes = [...changes, ...pending[which]]
      pending[which] = []
      continue
    }
    hops.push({ ...step, changed: [...changes, ...step.changed] })
    // The hop after an optional one is compared with the hop before it, so it bears the changes too.
    if (!step.isOptional) changes = []
  }
  return hops
}

/** The client's packet is rejected in FORWARD or INPUT: nothing is rewritten. */
export const untranslated = (steps: readonly PathStep[]): readonly HopStep[] => steps.filter(step => step.kind === 'hop')
