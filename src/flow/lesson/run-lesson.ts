import { PodwireError } from '../../base/errors/podwire-error.js'
import type { FlowRecord } from '../../base/results/run-record.js'
import { systemClock } from '../../base/time/clock.js'
import type { FlowSession } from '../flow-session.js'
import { type ClassroomOptions, openClassroom } from './classroom.js'

export interface LessonRun extends ClassroomOptions {
  /** Called when the lesson's flow fails for the first time. */
  readonly onLook: (flow: FlowRecord) => void
  /** Called once when the learner has looked for a while. */
  readonly onHint: () => void
}

const lookIntervalMs = 2_000
/** A Node's lease lasts 40 s. */
const renewEveryMs = 10_000
const hintAfterMs = 90_000
/** A change that is made may take so long to show. */
const breakSettleMs = 20_000
const mendTimeoutMs = 30_000

/**
 * Breaks the lab as the lesson says, and looks again and again until its flow gets through as predicted. What is broken is mended at the end in any
 * case. Resolves with the flow as it failed last, its causes among it. Errors: CONFIG_INVALID when the lab is of another shape; COMMAND_FAILED when
 * the damage cannot be done; ABORTED.
 */
export async function runLesson(session: FlowSession, run: LessonRun): Promise<FlowRecord> {
  const { signal } = session
  const { metadata, spec } = run.lesson.lesson
  const { cni, proxy } = spec.requires
  const { datapath, proxy: mode } = session.lab.lab
  if ((cni !== undefined && !cni.includes(datapath)) || (proxy !== undefined && !proxy.includes(mode))) {
    throw new PodwireError(
      'CONFIG_INVALID',
      `lesson ${metadata.name} is about ${(cni ?? proxy ?? []).join(', ')}; the lab is ${datapath}, ${mode}`,
      {
        hint: './podwire set cni vxlan; ./podwire set proxy iptables',
      },
    )
  }
  const room = await openClassroom(session, run)
  try {
    await room.break(signal)
    const startedAt = Date.now()
    let renewedAt = 0
    let broken: FlowRecord | undefined
    let isHinted = false
    for (;;) {
      if (Date.now() - renewedAt > renewEveryMs) {
        await room.renewLeases(signal)
        renewedAt = Date.now()
      }
      const flow = await room.check()
      const code = flow.causes?.[0]?.code
      if (code === undefined && (broken !== undefined || Date.now() - startedAt > breakSettleMs)) {
        if (broken !== undefined) return broken
        throw new PodwireError('INTERNAL', `lesson ${metadata.name} broke nothing`)
      }
      if (code !== undefined) {
        if (broken === undefined) run.onLook(flow)
        broken = flow
      }
      if (!isHinted && Date.now() - startedAt > hintAfterMs) {
        isHinted = true
        run.onHint()
      }
      await systemClock.sleep(lookIntervalMs, signal)
    }
  } finally {
    await room.mend(AbortSignal.timeout(mendTimeoutMs))
  }
}
