import type { FlowRecord } from '../../base/results/run-record.js'
import { systemClock } from '../../base/time/clock.js'
import type { FlowSession } from '../flow-session.js'
import { LiveFlows } from './live-flows.js'
import { type LabSnapshot, watchLab } from './watch-lab.js'

const lookEveryMs = 200
/** What has no answer by then is told without. */
const patienceMs = 3_000
/** After its answer, until the last interface has told of it. */
const settleMs = 400

/** Tells of every conversation once, when it has been answered or has waited too long, until `signal` aborts. Errors: as `watchLab`. */
export async function followFlows(session: FlowSession, onFlow: (flow: FlowRecord) => void, signal: AbortSignal): Promise<void> {
  const live = new LiveFlows()
  const pending = new Map<number, number>()
  let told = 0
  let world: LabSnapshot | undefined
  const look = (): void => {
    if (world === undefined) return
    const now = Date.now()
    for (const flow of live.flows.toReversed()) {
      if (flow.id <= told && !pending.has(flow.id)) continue
      const since = pending.get(flow.id) ?? now
      pending.set(flow.id, since)
      told = Math.max(told, flow.id)
      const age = now - since
      if (age < settleMs) continue
      const record = live.recordOf(flow, world)
      if (record.outcome === 'no answer yet' && age < patienceMs) continue
      pending.delete(flow.id)
      onFlow(record)
    }
  }
  const looking = async (): Promise<void> => {
    while (!signal.aborted) {
      look()
      await systemClock.sleep(lookEveryMs, signal)
    }
  }
  const watching = watchLab(
    session,
    {
      onSighting: (sighting, snapshot) => live.see(sighting, snapshot),
      onSnapshot(snapshot) {
        world = snapshot
      },
    },
    signal,
  )
  try {
    await Promise.all([watching, looking()])
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
