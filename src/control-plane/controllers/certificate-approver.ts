import { apiPathOf, apiVersionOf } from '../../api/api-resource.js'
import { certificatesigningrequests, subjectaccessreviews } from '../../api/generated/resources.js'
import type { CertificateSigningRequest, SubjectAccessReview } from '../../api/generated/types.js'
import { timeText } from '../../api/time-text.js'
import { decisionOn, readCertificateRequest, signers } from './certificate-request.js'
import { type CertificateParts, certificateRequestController } from './certificate-request-controller.js'
import type { Controller } from './controller.js'

const kubeletClient = 'kubernetes.io/kube-apiserver-client-kubelet'

/**
 * Approves requests for client certificates of kubelets when their author may create `certificatesigningrequests/nodeclient`, or
 * `/selfnodeclient` for a node that renews its own. Everything else waits for `kubectl certificate approve`.
 */
export function certificateApprover(parts: CertificateParts): Controller {
  const { client } = parts

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

  return certificateRequestController(parts, {
    name: 'certificate-approver',
    async reconcile(request, signal) {
      if (request.spec.signerName !== kubeletClient || decisionOn(request) !== undefined) return undefined
      const wanted = await readCertificateRequest(request).catch(() => undefined)
      if (!wanted || signers[kubeletClient]?.(wanted) !== undefined) return undefined
      const isSelf = request.spec.username === wanted.commonName
      if (!(isSelf && (await mayCreate(request, 'selfnodeclient', signal))) && !(await mayCreate(request, 'nodeclient', signal)))
        return undefined
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
      const path = apiPathOf(certificatesigningrequests, { name: request.metadata?.name ?? '' })
      await client.raw('PUT', `${path}/approval`, approved, signal)
      return undefined
    },
  })
}
