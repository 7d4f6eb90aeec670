import type { Pod } from '../../api/generated/types.js'
import type { EventText } from '../../client/event-recorder.js'

/** Tells what happened to a Pod, for `kubectl describe`. Never waits and never fails. */
export type PodEventRecorder = (pod: Pod, event: EventText) => void
