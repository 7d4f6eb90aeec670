import t from 'tap'

import { systemClock } from '../../../../src/base/time/clock.js'
import { podRuntimeSuite } from '../../../suites/pod-runtime.js'
import { fakePodRuntime } from '../../../support/fake-pod-runtime.js'
import { kubeletConfig } from '../../../support/kubelet-config.js'

t.test('the runtime of the unit tests behaves as the real one', async t => {
  await podRuntimeSuite(t, { runtime: fakePodRuntime(systemClock, ['podwire/toolbox']), config: kubeletConfig, image: 'podwire/toolbox' })
})
