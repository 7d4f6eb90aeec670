import { X509Certificate } from 'node:crypto'

import { certificatesigningrequests } from '../../api/generated/resources.js'
import type { CertificateSigningRequest } from '../../api/generated/types.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { systemClock } from '../../base/time/clock.js'
import { decisionOn } from './certificate-request.js'
import { type CertificateParts, certificateRequestController } from './certificate-request-controller.js'
import type { Controller } from './controller.js'

const hourMs = 3600_000
/** How long requests are kept, as upstream keeps them: until somebody decides, and after the decision. */
const keptMs = { pending: 24 * hourMs, decided: hourMs }

/** Removes certificate requests that nobody needs any more: long decided, never decided, or of a certificate that is over. */
export function certificateCleaner(parts: CertificateParts): Controller {
  const { client, clock = systemClock } = parts
  return certificateRequestController(parts, {
    name: 'certificate-cleaner',
    async reconcile(request, signal) {
      const leftMs = endOf(request) - clock.now()
      if (leftMs > 0) return Math.min(leftMs, hourMs)
      const { name = '', uid = '' } = request.metadata ?? {}
      try {
        await client.delete(certificatesigningrequests, { name }, { uid }, signal)
      } catch (error) {
        if (!isPodwireError(error, 'NOT_FOUND')) throw error
      }
      return undefined
    },
  })
}

/** When a request is to go, in milliseconds since the epoch. */
function endOf(request: CertificateSigningRequest): number {
  const { certificate, conditions = [] } = request.status ?? {}
  const decision = decisionOn(request)
  const created = Date.parse(request.metadata?.creationTimestamp ?? '')
  if (decision === undefined) return certificate === undefined ? created + keptMs.pending : Number.POSITIVE_INFINITY
  const { lastUpdateTime } = conditions.find(({ type }) => type === decision) ?? {}
  const decided = (lastUpdateTime === undefined ? created : Date.parse(lastUpdateTime)) + keptMs.decided
  return Math.min(decided, certificate === undefined ? Number.POSITIVE_INFINITY : expiryOf(certificate))
}

function expiryOf(certificate: string): number {
  try {
    return Date.parse(new X509Certificate(Buffer.from(certificate, 'base64')).validTo)
  } catch {
    return Number.POSITIVE_INFINITY // Other signers' forms are not ours to judge.
  }
}
