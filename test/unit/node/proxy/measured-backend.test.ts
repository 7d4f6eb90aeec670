import t from 'tap'

import { measuredBackend, type SyncReport } from '../../../../src/node/proxy/measured-backend.js'
import type { Backend } from '../../../../src/reconcile/backend.js'
import { heldClock } from '../../../support/held-clock.js'

const signal = new AbortController().signal

t.test('every sync is told with its time, whether all was compared, and how it ended', async t => {
  const clock = heldClock()
  const told: { kind: string; report: SyncReport }[] = []
  let failing = false
  const backend: Backend<string, string, string> = {
    name: 'rules',
    observe: async () => {
      await clock.advance(5)
      return 'nothing'
    },
    plan: desired => {
      if (desired === 'nonsense') throw new Error('cannot be planned')
      return desired
    },
    apply: async plan => {
      await clock.advance(10)
      if (failing) throw new Error('refused')
      return plan
    },
  }
  const measured = measuredBackend(backend, {
    clock,
    observer: {
      onSynced: report => void told.push({ kind: 'synced', report }),
      onFailed: report => void told.push({ kind: 'failed', report }),
    },
  })
  const start = clock.now()
  t.equal(await measured.apply(measured.plan('a', await measured.observe(signal)), signal), 'a')
  await measured.apply(measured.plan('b', 'a'), signal)
  failing = true
  await t.rejects(measured.apply(measured.plan('c', 'b'), signal), /refused/)
  t.throws(() => measured.plan('nonsense', 'c'), /cannot be planned/)
  t.strictSame(told, [
    { kind: 'synced', report: { startedAt: start, durationMs: 15, isFull: true } },
    { kind: 'synced', report: { startedAt: start + 15, durationMs: 10, isFull: false } },
    { kind: 'failed', report: { startedAt: start + 25, durationMs: 10, isFull: false } },
    { kind: 'failed', report: { startedAt: start + 35, durationMs: 0, isFull: false } },
  ])
})
