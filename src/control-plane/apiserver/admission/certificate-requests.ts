import 'reflect-metadata'
import { Pkcs10CertificateRequest } from '@peculiar/x509'

import type { CertificateSigningRequest } from '../../../api/generated/types.js'
import type { Draft } from '../../../api/json.js'
import { badRequest } from '../../../api/status.js'
import type { Authorizer } from '../authorization/authorizer.js'
import type { WritableObject } from '../object-writer.js'
import { type AdmissionPlugin, type AdmissionRequest, isAbout, refused } from './admission-plugin.js'

const group = 'certificates.k8s.io'
const clientSigner = 'kubernetes.io/kube-apiserver-client'
const privilegedGroup = 'system:masters'

const requestOf = ({ object }: AdmissionRequest) => object as WritableObject & CertificateSigningRequest
const isFor = ({ resource, subresource, operation }: AdmissionRequest, wanted: string): boolean =>
  operation === 'UPDATE' && resource.group === group && resource.resource === 'certificatesigningrequests' && subresource === wanted

/** Whoever decides on a request, or signs it, must be allowed to for its signer, or for all signers of the domain. */
function mayFor(authorizer: Authorizer, request: AdmissionRequest, verb: string): boolean {
  const { signerName } = requestOf(request).spec
  const [domain = ''] = signerName.split('/')
  return [signerName, `${domain}/*`].some(name => {
    const resource = { group, version: 'v1', resource: 'signers', subresource: '', namespace: '', name }
    return authorizer.authorize({ user: request.user, verb, path: '', resource }).allowed
  })
}

/** Only approvers of a signer decide on its requests. */
export const certificateApprovalPlugin = (authorizer: Authorizer): AdmissionPlugin => ({
  name: 'CertificateApproval',
  validate(request) {
    if (!isFor(request, 'approval') || mayFor(authorizer, request, 'approve')) return undefined
    throw refused(request, `user not permitted to approve requests with signerName ${JSON.stringify(requestOf(request).spec.signerName)}`)
  },
})

/** Only the signer itself puts a certificate into its requests, or says that it failed. */
export const certificateSigningPlugin = (authorizer: Authorizer): AdmissionPlugin => ({
  name: 'CertificateSigning',
  validate(request) {
    if (!isFor(request, 'status')) return undefined
    const { status, spec } = requestOf(request)
    const before = (request.previous as CertificateSigningRequest).status
    const failedOf = (all: CertificateSigningRequest['status']) => all?.conditions?.some(({ type }) => type === 'Failed') ?? false
    const isSigned = status?.certificate !== before?.certificate || failedOf(status) !== failedOf(before)
    if (!isSigned || mayFor(authorizer, request, 'sign')) return undefined
    throw refused(request, `user not permitted to sign requests with signerName ${JSON.stringify(spec.signerName)}`)
  },
})

/** A request bears the name of whoever made it, and asks for no certificate that stands above all authorization. */
export const certificateSubjectRestrictionPlugin: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  mutate(request) {
    if (request.operation !== 'CREATE' || !isAbout(request, group, 'certificatesigningrequests')) return
    const { name: username, uid, groups, extra } = request.user
    const object = request.object as Draft<CertificateSigningRequest>
    const { uid: _, extra: __, ...spec } = object.spec ?? {}
    object.spec = {
      ...spec,
      username,
      groups: [...groups],
      ...(uid !== undefined && { uid }),
      ...(extra && { extra: structuredClone(extra) as Record<string, string[]> }),
    }
  },
  validate(request) {
    if (request.operation !== 'CREATE' || !isAbout(request, group, 'certificatesigningrequests')) return undefined
    const { spec } = requestOf(request)
    if (spec.signerName !== clientSigner || !organizationsOf(spec.request).includes(privilegedGroup)) return undefined
    throw refused(request, `use of ${clientSigner} signer with ${privilegedGroup} group is not allowed`)
  },
}

/** The groups that a certificate would give. Throws 400 for what is no certificate request. */
function organizationsOf(base64: string): readonly string[] {
  try {
    return new Pkcs10CertificateRequest(Buffer.from(base64, 'base64').toString()).subjectName.getField('O')
  } catch (error) {
    throw badRequest(`spec.request is no certificate request: ${error instanceof Error ? error.message : error}`, error)
  }
}
