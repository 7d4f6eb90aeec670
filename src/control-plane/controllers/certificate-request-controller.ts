import type { CertificateSigningRequest } from '../../api/generated/types.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

export interface CertificateParts extends ControllerParts {
  readonly certificateRequests: Informer<CertificateSigningRequest>
}

interface CertificateController {
  readonly name: string
  /** Looks at a request that is new or has changed; returns after how long it must be looked at again, if ever. */
  readonly reconcile: (request: CertificateSigningRequest, signal: AbortSignal) => Promise<number | undefined>
}

/** A controller of certificate requests, each by itself. */
export function certificateRequestController(parts: CertificateParts, { name, reconcile }: CertificateController): Controller {
  const { certificateRequests } = parts
  return keyedController({
    name,
    parts,
    reads: [certificateRequests],
    watch(queue) {
      onObjectChange(certificateRequests, (_before, after) => after && queue.add(keyOfObject(after)))
    },
    async reconcile(key, queue, signal) {
      const request = certificateRequests.get(key)
      const againMs = request && (await reconcile(request, signal))
      if (againMs !== undefined) queue.addAfter(key, againMs)
    },
  })
}
