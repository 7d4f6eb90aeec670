import type { EndpointSlice, Service } from '../../api/generated/types.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { IpFamily } from '../../base/net/address.js'
import type { Clock } from '../../base/time/clock.js'
import type { Informer } from '../../client/informer.js'
import { createRunner } from '../../reconcile/runner.js'
import { buildServiceState } from '../../service-model/build-service-state.js'
import { nodeFacts, type ProxyMode, type ProxySettings } from '../../service-model/proxy-settings.js'
import type { ServiceState } from '../../service-model/service-state.js'
import { measuredBackend, type SyncObserver } from './measured-backend.js'
import { type ProxyMember, proxySwitch, type WantedServices } from './proxy-switch.js'

export interface ServiceProxyOptions {
  readonly services: Informer<Service>
  readonly slices: Informer<EndpointSlice>
  /** Every mode that may be asked for, in every family the node may have. */
  readonly members: readonly ProxyMember[]
  /** The mode that is wanted now; undefined while that is not known. */
  readonly mode: () => ProxyMode | undefined
  /** What the administrator says and the node is; undefined while the node is not known. */
  readonly settings: () => ProxySettings | undefined
  readonly clock: Clock
  /** At least so long between two syncs, and without any change a sync still comes so often. */
  readonly minSyncMs?: number
  readonly syncMs?: number
  /** Called after each sync, with what is then in the kernel. */
  readonly onSynced?: (services: WantedServices) => void
  /** Called when this machine cannot do the wanted mode; the one before it stays, until another is wanted. */
  readonly onRefused?: (mode: ProxyMode, why: Error) => void
  /** Told of every sync, for metrics and health. */
  readonly observer?: SyncObserver
  readonly onError: (error: unknown) => void
}

export interface ServiceProxy {
  /** Asks for a sync soon: after any change that no informer told of. */
  trigger(): void
  /** Keeps the kernel up to date until `signal` aborts. The rules stay. */
  run(signal: AbortSignal): Promise<void>
}

/** Rules: at most so often, so that many changed endpoints are one transaction. */
const defaultMinSyncMs = 100
const defaultSyncMs = 30_000
const retryIntervalMs = 1_000
/** The kernel is looked at afresh so often. */
const observeIntervalMs = 60_000
/** Whether our rules were swept away is asked so often. */
const sweepCheckMs = 10_000
const families: readonly IpFamily[] = [4, 6]

/** Services and EndpointSlices into this node's kernel, by the mode that is wanted at the time. Nothing is touched before both are known. */
export function createServiceProxy(options: ServiceProxyOptions): ServiceProxy {
  const { services, slices, members, clock, onSynced = () => {}, onRefused = () => {}, onError } = options
  const inner = proxySwitch(members)
  const previous = new Map<IpFamily, ServiceState>()
  let current: ProxyMode | undefined
  let refused: ProxyMode | undefined

  /** The wanted mode, or while this machine refuses it the one before. */
  function modeNow(): ProxyMode | undefined {
    const wanted = options.mode()
    if (wanted !== refused) refused = undefined
    return refused === undefined ? wanted : (current ?? wanted)
  }

  function wantedNow(): WantedServices | undefined {
    if (!services.isSynced || !slices.isSynced) return undefined
    const mode = modeNow()
    if (mode === undefined) return undefined
    const settings = options.settings()
    if (settings === undefined) return undefined
    const states = new Map<IpFamily, ServiceState>()
    for (const family of families) {
      const node = nodeFacts(settings, mode, family)
      if (node === undefined) continue
      const state = buildServiceState({ services: services.list(), endpointSlices: slices.list(), node }, previous.get(family))
      previous.set(family, state)
      states.set(family, state)
    }
    return { mode, states }
  }

  const backend: typeof inner = {
    ...inner,
    async apply(plan, signal) {
      try {
        const applied = await inner.apply(plan, signal)
        current = plan.wanted.mode
        onSynced(plan.wanted)
        return applied
      } catch (error) {
        if (isPodwireError(error, 'KERNEL_UNSUPPORTED') || isPodwireError(error, 'COMMAND_MISSING')) {
          refused = plan.wanted.mode
          if (refused !== undefined) onRefused(refused, error)
        }
        throw error
      }
    },
  }
  const { observer } = options
  const runner = createRunner({
    backend: observer === undefined ? backend : measuredBackend(backend, { observer, clock }),
    desired: wantedNow,
    minIntervalMs: options.minSyncMs ?? defaultMinSyncMs,
    maxIntervalMs: options.syncMs ?? defaultSyncMs,
    retryIntervalMs,
    observeIntervalMs,
    clock,
    onError,
  })
  for (const informer of [services, slices]) {
    informer.onChange(runner.trigger)
    void informer.synced.then(runner.trigger)
  }

  async function watchForSweeps(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(sweepCheckMs, signal).catch(() => {}) // Rejects only by the signal.
      const used = members.filter(({ mode, family }) => mode === current && previous.has(family))
      try {
        for (const { isIntact } of used) {
          if (isIntact === undefined || signal.aborted || (await isIntact(signal))) continue
          runner.observeAgain()
          break
        }
      } catch (error) {
        if (!signal.aborted) onError(error)
      }
    }
  }

  return {
    trigger: runner.trigger,
    run: async signal => void (await Promise.all([runner.run(signal), watchForSweeps(signal)])),
  }
}
