import t from 'tap'

import type { CertificateSigningRequest } from '../../../../src/api/generated/types.js'
import { timeText } from '../../../../src/api/time-text.js'
import type { Client } from '../../../../src/client/client.js'
import { certificateCleaner } from '../../../../src/control-plane/controllers/certificate-cleaner.js'
import { heldClock } from '../../../support/held-clock.js'
import { heldInformer } from '../../../support/held-informer.js'
import { createTestPki } from '../../../support/test-pki.js'

const hour = 3600_000

t.test('requests go an hour after the decision, a day without one, or with their certificate', async t => {
  const start = Date.now()
  const clock = heldClock(start)
  const request = (name: string, status: CertificateSigningRequest['status'] = {}): CertificateSigningRequest => ({
    metadata: { name, uid: name, creationTimestamp: timeText(start) },
    spec: { request: '', signerName: 'example.com/one', usages: [] },
    status,
  })
  const decided = (type: string) => ({ conditions: [{ type, status: 'True', lastUpdateTime: timeText(start) }] })
  const { ca } = await createTestPki()
  const certificate = Buffer.from(ca).toString('base64')
  const gone: string[] = []
  const client = { delete: async (_: unknown, { name }: { name: string }) => void gone.push(name) } as unknown as Client
  const certificateRequests = heldInformer(
    request('pending'),
    request('denied', decided('Denied')),
    request('failed', decided('Failed')),
    request('signed', { ...decided('Approved'), certificate }),
    request('odd', { certificate }),
  )
  const stop = new AbortController()
  const done = certificateCleaner({ client, clock, certificateRequests, log: { warn: () => {} } }).run(stop.signal)
  await clock.settle()
  t.strictSame(gone, [])
  await clock.advance(hour + 1000)
  t.strictSame(gone.splice(0).sort(), ['denied', 'failed', 'signed'])
  for (let i = 0; i < 22; i++) await clock.advance(hour)
  t.strictSame(gone, [])
  await clock.advance(hour)
  t.strictSame(gone, ['pending'])
  stop.abort()
  await done
})
