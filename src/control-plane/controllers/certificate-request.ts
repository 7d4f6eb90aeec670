import 'reflect-metadata'

import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

import type { CertificateSigningRequest } from '../../api/generated/types.js'

/** Object identifier of the extension (RFC 5280, 4.2.1.6). */
const subjectAlternativeName = '2.5.29.17'

/** What somebody wants a certificate for. */
export interface WantedCertificate {
  readonly request: x509.Pkcs10CertificateRequest
  readonly commonName: string
  readonly organizations: readonly string[]
  /** DNS names and addresses. */
  readonly hosts: readonly x509.GeneralName[]
  /** E-mail addresses and URIs: what no signer here accepts. */
  readonly otherNames: readonly x509.GeneralName[]
  readonly usages: readonly string[]
}

/** Reads a request and proves that it was made with the key it is for. Throws an Error that says what is wrong. */
export async function readCertificateRequest({ spec }: CertificateSigningRequest): Promise<WantedCertificate> {
  const request = new x509.Pkcs10CertificateRequest(Buffer.from(spec.request, 'base64').toString())
  if (!(await request.verify(webcrypto))) throw new Error('the signature of the request does not fit its key')
  const names = (request.getExtension(subjectAlternativeName) as x509.SubjectAlternativeNameExtension | null)?.names.items ?? []
  const isHost = ({ type }: x509.GeneralName): boolean => type === 'dns' || type === 'ip'
  return {
    request,
    commonName: request.subjectName.getField('CN')[0] ?? '',
    organizations: request.subjectName.getField('O'),
    hosts: names.filter(isHost),
    otherNames: names.filter(name => !isHost(name)),
    usages: spec.usages ?? [],
  }
}

export const decisionOn = ({ status }: CertificateSigningRequest): 'Approved' | 'Denied' | 'Failed' | undefined => {
  const types = status?.conditions?.map(({ type }) => type) ?? []
  return (['Failed', 'Denied', 'Approved'] as const).find(type => types.includes(type))
}

const nodePrefix = 'system:node:'
const nodesGroup = 'system:nodes'

type Rule = (wanted: WantedCertificate) => string | undefined

/** What a signer demands; the first of its words that is not met is the reason of the refusal. Facts: Kubernetes documentation, CSR signers. */
export const signers: Readonly<Record<string, Rule>> = {
  'kubernetes.io/kube-apiserver-client': ({ usages }) => onlyUsages(usages, ['client auth'], ['digital signature', 'key encipherment']),
  'kubernetes.io/kube-apiserver-client-kubelet': ({ usages, hosts, otherNames, ...subject }) =>
    nodeSubject(subject) ??
    (hosts.length + otherNames.length > 0 ? 'DNS, IP, email and URI SANs are not allowed' : undefined) ??
    onlyUsages(usages, ['client auth', 'digital signature'], ['key encipherment']),
  'kubernetes.io/kubelet-serving': ({ usages, hosts, otherNames, ...subject }) =>
    nodeSubject(subject) ??
    (hosts.length === 0 ? 'at least one DNS or IP SAN is required' : undefined) ??
    (otherNames.length > 0 ? 'email and URI SANs are not allowed' : undefined) ??
    onlyUsages(usages, ['server auth', 'digital signature'], ['key encipherment']),
}

function nodeSubject({ commonName, organizations }: Pick<WantedCertificate, 'commonName' | 'organizations'>): string | undefined {
  if (organizations.length !== 1 || organizations[0] !== nodesGroup) return `subject organization is not ${nodesGroup}`
  return commonName.startsWith(nodePrefix) ? undefined : `subject common name does not begin with ${nodePrefix}`
}

function onlyUsages(given: readonly string[], needed: readonly string[], allowed: readonly string[]): string | undefined {
  const missing = needed.find(usage => !given.includes(usage))
  if (missing !== undefined) return `usages did not match: ${missing} is missing`
  const other = given.find(usage => !needed.includes(usage) && !allowed.includes(usage))
  return other === undefined ? undefined : `usages did not match: ${other} is not allowed`
}
