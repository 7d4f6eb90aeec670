import t from 'tap'

import { PodwireError } from '../../../src/base/errors/podwire-error.js'
import type { Host, StartedProcess } from '../../../src/kernel/host.js'
import { waitForContainerd } from '../../../src/lab/containerd.js'

const refused = new PodwireError('COMMAND_FAILED', 'ctr ended with status 1: connection refused')
const answer = { stdout: '', stderr: '', exitCode: 0 }

/** A host whose containerd refuses the first `refusals` questions. */
function hostThatRefuses(refusals: number): { readonly host: Host; readonly asked: () => number } {
  let asked = 0
  const host: Host = {
    name: 'node-1',
    run: async () => {
      asked += 1
      if (asked <= refusals) throw refused
      return answer
    },
    start: () => {
      throw new Error('nothing is started here')
    },
    enter: () => host,
  }
  return { host, asked: () => asked }
}

const daemon = (ended: Promise<number>): StartedProcess => ({
  pid: 1,
  stdin: undefined,
  stdout: undefined,
  stderr: undefined,
  ended,
  stop: async () => {},
})
const place = { socket: '/run/containerd/containerd.sock', log: '/var/log/podwire/containerd.log' }

t.test('a containerd that refuses while it starts to listen is asked again', async t => {
  const { host, asked } = hostThatRefuses(2)
  await waitForContainerd({ host, daemon: daemon(new Promise(() => {})), ...place }, new AbortController().signal)
  t.equal(asked(), 3)
})

t.test('a containerd that ends is not asked for ever: its log is named', async t => {
  const { host } = hostThatRefuses(Number.POSITIVE_INFINITY)
  const waited = waitForContainerd({ host, daemon: daemon(Promise.resolve(2)), ...place }, new AbortController().signal)
  await t.rejects(waited, { code: 'RUNTIME_FAILED', hint: /containerd\.log on node-1/ })
})
