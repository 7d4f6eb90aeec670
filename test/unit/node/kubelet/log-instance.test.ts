import t from 'tap'

import type { ContainerState, Pod } from '../../../../src/api/generated/types.js'
import { logInstance } from '../../../../src/node/kubelet/log-instance.js'

const ended = (id: string): ContainerState => ({ terminated: { exitCode: 1, containerID: `containerd://${id}` } })

function podWith(state: ContainerState | undefined, lastState: ContainerState = {}): Pod {
  const status = { name: 'web', image: '', imageID: '', ready: false, restartCount: 0, containerID: 'containerd://now', lastState }
  return { metadata: { name: 'shop' }, status: { containerStatuses: state ? [{ ...status, state }] : [] } }
}

const found = {
  'the one that runs': { pod: podWith({ running: {} }, ended('before')), previous: false, want: 'now' },
  'the one that ended': { pod: podWith(ended('now')), previous: false, want: 'now' },
  'the last one while the next waits': {
    pod: podWith({ waiting: { reason: 'CrashLoopBackOff' } }, ended('before')),
    previous: false,
    want: 'before',
  },
  'the one before': { pod: podWith({ running: {} }, ended('before')), previous: true, want: 'before' },
}
for (const [name, { pod, previous, want }] of Object.entries(found)) {
  t.test(name, async t => t.equal(logInstance(pod, 'web', previous), want))
}

const what = 'container "web" in pod "shop"'
const refused = {
  'not known yet': { pod: podWith(undefined), previous: false, says: `${what} is not available` },
  'never ended': { pod: podWith({ running: {} }), previous: true, says: `previous terminated ${what} not found` },
  'waits for something': {
    pod: podWith({ waiting: { reason: 'ContainerCreating' } }),
    previous: false,
    says: `${what} is waiting to start: ContainerCreating`,
  },
  'waits for its image': {
    pod: podWith({ waiting: { reason: 'ImagePullBackOff' } }),
    previous: false,
    says: `${what} is waiting to start: trying and failing to pull image`,
  },
  'waits for nobody knows what': { pod: podWith({ waiting: {} }), previous: false, says: `${what} is waiting to start - no logs yet` },
}
for (const [name, { pod, previous, says }] of Object.entries(refused)) {
  t.test(name, async t => t.throws(() => logInstance(pod, 'web', previous), { code: 'NOT_FOUND', message: says }))
}
