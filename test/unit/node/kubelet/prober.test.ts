import { type AddressInfo, createServer } from 'node:net'

import t from 'tap'

import type { Container } from '../../../../src/api/generated/types.js'
import { createProber, type ProbeKind } from '../../../../src/node/kubelet/prober.js'
import { fakePodRuntime } from '../../../support/fake-pod-runtime.js'
import { heldClock } from '../../../support/held-clock.js'
import { until } from '../../../support/until.js'

/** A prober on a clock that the test moves, and what it told. */
function rig() {
  const clock = heldClock()
  const failures: ProbeKind[] = []
  const changes: string[] = []
  const runtime = fakePodRuntime(clock, [])
  const stop = new AbortController()
  const prober = createProber(
    { runtime, clock, onChange: uid => changes.push(uid), onFailure: (_, { kind }) => failures.push(kind) },
    stop.signal,
  )
  const track = (container: Partial<Container>) =>
    prober.sync('u1', [{ container: { name: 'main', ...container }, containerId: 'c1', ip: '127.0.0.1', startedAtMs: clock.now() }])
  return { clock, prober, failures, changes, track, stop: () => stop.abort() }
}

/** A port of 127.0.0.1 on which nothing listens until told. */
async function reservePort() {
  const server = createServer(socket => socket.destroy())
  const listen = (port: number) => new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const close = () => new Promise(resolve => server.close(resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  await close()
  return { port, listen: () => listen(port), close }
}

t.test('without probes a container is started and ready', async t => {
  const { prober, track } = rig()
  t.notOk(prober.isReady('c1'), 'nobody knows it yet')
  track({})
  t.ok(prober.isStarted('c1') && prober.isReady('c1'))
  prober.sync('u1', [])
  t.notOk(prober.isReady('c1'), 'it does not run any more')
})

t.test('a process that begins to listen is ready soon after, without a failure to its name', async t => {
  const { clock, prober, failures, changes, track, stop } = rig()
  const { port, listen, close } = await reservePort()
  track({ readinessProbe: { tcpSocket: { port }, periodSeconds: 10, failureThreshold: 1 } })
  await until('asleep', () => clock.sleepers === 1)
  t.notOk(prober.isReady('c1'))
  await listen()
  await clock.advance(100)
  await until('ready', () => prober.isReady('c1'))
  t.same([failures, changes], [[], ['u1']])

  await close()
  await until('asleep', () => clock.sleepers === 1)
  await clock.advance(10_000)
  await until('unready', () => !prober.isReady('c1'))
  t.same(failures, ['readiness'], 'later failures count')
  stop()
})

t.test('liveness is not asked before the startup probe has succeeded, and a startup that fails ends the container', async t => {
  const { clock, prober, failures, track, stop } = rig()
  const { port } = await reservePort()
  const tcpSocket = { port }
  track({
    startupProbe: { tcpSocket, periodSeconds: 1, failureThreshold: 2 },
    livenessProbe: { tcpSocket, periodSeconds: 1, failureThreshold: 1 },
  })
  await until('given up', async () => {
    await clock.advance(100)
    return prober.failedProbe('c1') !== undefined
  })
  t.equal(prober.failedProbe('c1'), 'startup')
  t.notOk(prober.isStarted('c1'))
  t.same(new Set(failures), new Set(['startup']))
  stop()
})

t.test('an initial delay is counted from the start of the container', async t => {
  const { clock, prober, track, stop } = rig()
  const { port, listen, close } = await reservePort()
  await listen()
  track({ readinessProbe: { tcpSocket: { port }, initialDelaySeconds: 5 } })
  await clock.advance(4_999)
  t.notOk(prober.isReady('c1'))
  await clock.advance(1)
  await until('ready', () => prober.isReady('c1'))
  stop()
  await close()
})
