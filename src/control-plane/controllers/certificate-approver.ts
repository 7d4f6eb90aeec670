import { apiPathOf, apiVersionOf } from '../../api/api-resource.js'
import { certificatesigningrequests, subjectaccessreviews } from '../../api/generated/resources.js'
import type { CertificateSigningRequest, SubjectAccessReview } from '../../api/generated/types.js'
import { timeText } from '../../api/time-text.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { decisionOn, readCertificateRequest, signers } from './certificate-request.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

interface Parts extends ControllerParts {
  readonly certificateRequests: Informer<CertificateSigningRequest>
}

const kubeletClient = 'kubernetes.io/kube-apiserver-client-kubelet'

/**
 * Approves requests for client certificates of kubelets when their author may create `certificatesigningrequests/nodeclient`, or
 * `/selfnodeclient` for a node that renews its own. Everything else waits for `kubectl certificate approve`.
 */
export function certificateApprover(parts: Parts): Controller {
  const { client, certificateRequests } = parts

  async function mayCreate({ spec }: CertificateSigningRequest, subresource: string, signal: AbortSignal): Promise<boolean> {
    const review: SubjectAccessReview = {
      spec: {
        user: spec.username ?? '',
        groups: spec.groups ?? [],
        ...(spec.uid !== undefined && { uid: spec.uid }),
        ...(spec.extra && { extra: spec.extra }),
        resourceAttributes: {
          group: 'certificates.k8s.io',
          resource: 'certificatesigningrequests',
          verb: 'create',
          subresource,
          version: '*',
        },
      },
    }
    return (await client.create(subjectaccessreviews, review, signal)).status?.allowed === true
  }

  return keyedController({
    name: 'certificate-approver',
    parts,
    reads: [certificateRequests],
    watch(queue) {
      onObjectChange(certificateRequests, (_before, after) => after && queue.add(keyOfObject(after)))
    },
    async reconcile(key, _queue, signal) {
      const request = certificateRequests.get(key)
      if (request?.spec.signerName !== kubeletClient || decisionOn(request) !== undefined) return
      const wanted = await readCertificateRequest(request).catch(() => undefined)
      if (!wanted || signers[kubeletClient]?.(wanted) !== undefined) return
      const isSelf = request.spec.username === wanted.commonName
      if (!(isSelf && (await mayCreate(request, 'selfnodeclient', signal))) && !(await mayCreate(request, 'nodeclient', signal))) return
      const now = timeText(Date.now())
      const condition = {
        type: 'Approved',
        status: 'True',
        reason: 'AutoApproved',
        message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
        lastUpdateTime: now,
      }
      const approved = {
        ...request,
        apiVersion: apiVersionOf(certificatesigningrequests),
        kind: certificatesigningrequests.kind,
        status: { ...request.status, conditions: [...(request.status?.conditions ?? []), condition] },
      }
      await client.raw('PUT', `${apiPathOf(certificatesigningrequests, { name: key })}/approval`, approved, signal)
    },
  })
}
