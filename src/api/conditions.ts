import { timeText } from './time-text.js'

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

/** The conditions with `next` among them; its transition time moves only when its status does. */
export function withCondition<C extends Condition>(conditions: readonly C[] | undefined, next: C, nowMs: number): C[] {
  const previous = conditions?.find(({ type }) => type === next.type)
  const changed = previous?.status !== next.status
  const lastTransitionTime = (changed ? undefined : previous?.lastTransitionTime) ?? timeText(nowMs)
  const settled = { ...next, lastTransitionTime }
  return previous ? conditions!.map(condition => (condition === previous ? settled : condition)) : [...(conditions ?? []), settled]
}
