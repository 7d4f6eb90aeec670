import { isDeepStrictEqual } from 'node:util'

import { type NetworkReport, networkReportAnnotation, networkReportOf } from '../../base/config/network-report.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { Clock } from '../../base/time/clock.js'
import type { NodeStack } from '../../cni/datapath.js'
import type { Bird } from '../../kernel/bird.js'
import { readSysctl } from '../../kernel/sysctl.js'
import { createRunner, type Runner } from '../../reconcile/runner.js'

export interface NetworkReporterParts {
  readonly stack: Pick<NodeStack, 'enter'>
  readonly bird: Bird | undefined
  /** This node's annotations as the API server has them; undefined while there is no Node. */
  readonly annotations: () => Readonly<Record<string, string>> | undefined
  readonly publish: (annotations: Readonly<Record<string, string>>, signal: AbortSignal) => Promise<void>
  readonly clock: Clock
  readonly onError: (error: unknown) => void
}

/** The kernel and BIRD tell nobody when they change, so they are asked this often. */
const intervalMs = 3_000
const intervals = { minIntervalMs: 500, retryIntervalMs: 1_000, maxIntervalMs: intervalMs, observeIntervalMs: intervalMs }

/** Keeps the Node's report of its Pod network true. */
export function networkReporter({ stack, bird, annotations, publish, clock, onError }: NetworkReporterParts): Runner {
  return createRunner({
    ...intervals,
    clock,
    desired: annotations,
    onError,
    backend: {
      name: 'network-report',
      async observe(signal): Promise<NetworkReport> {
        const bgp = (await bird?.sessions(signal)) ?? []
        return {
          bridgeNetfilter: isBridgeFiltered(stack),
          bgp: bgp.map(({ name, state, routes }) => ({ name, state, routes: [...routes] })),
        }
      },
      plan: (told: Readonly<Record<string, string>>, now: NetworkReport) => ({
        isNew: !isDeepStrictEqual(networkReportOf(told), now),
        now,
      }),
      async apply({ isNew, now }, signal) {
        if (isNew) await publish({ [networkReportAnnotation]: JSON.stringify(now) }, signal)
        return now
      },
    },
  })
}

function isBridgeFiltered({ enter }: Pick<NodeStack, 'enter'>): boolean {
  try {
    return enter(() => readSysctl('net/bridge/bridge-nf-call-iptables')) === '1'
  } catch (error) {
    if (isPodwireError(error, 'KERNEL_UNSUPPORTED')) return false
    throw error
  }
}
