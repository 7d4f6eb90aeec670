import { createPrivateKey, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

import { certificatesigningrequests } from '../../api/generated/resources.js'
import type { CertificateSigningRequest } from '../../api/generated/types.js'
import { timeText } from '../../api/time-text.js'
import { decisionOn, readCertificateRequest, signers, type WantedCertificate } from './certificate-request.js'
import { type CertificateParts, certificateRequestController } from './certificate-request-controller.js'
import type { Controller } from './controller.js'

/** PEM text of the authority that clients and nodes are known by. */
export interface SigningAuthority {
  readonly cert: string
  readonly key: string
}

interface Parts extends CertificateParts {
  readonly authority: SigningAuthority
}

const yearSeconds = 365 * 24 * 3600
/** Clocks differ: a certificate is valid a little before it is made. */
const backdateMs = 5 * 60_000
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const

/** Signs approved requests of the three signers of clients, kubelets and their servers, or says why not. */
export function certificateSigner(parts: Parts): Controller {
  const { client, authority } = parts
  return certificateRequestController(parts, {
    name: 'certificate-signer',
    async reconcile(request, signal) {
      const rule = signers[request.spec.signerName]
      if (!rule || request.status?.certificate !== undefined || decisionOn(request) !== 'Approved') return undefined
      const outcome = await signed(request, rule, authority)
      const { conditions = [] } = request.status ?? {}
      const now = timeText(Date.now())
      const status =
        'certificate' in outcome
          ? { ...request.status, certificate: Buffer.from(outcome.certificate).toString('base64') }
          : {
              ...request.status,
              conditions: [
                ...conditions,
                {
                  type: 'Failed',
                  status: 'True',
                  reason: 'SignerValidationFailure',
                  message: outcome.problem,
                  lastUpdateTime: now,
                  lastTransitionTime: now,
                },
              ],
            }
      await client.updateStatus(certificatesigningrequests, { ...request, status }, signal)
      return undefined
    },
  })
}

type Outcome = { readonly certificate: string } | { readonly problem: string }

async function signed(
  request: CertificateSigningRequest,
  rule: (wanted: WantedCertificate) => string | undefined,
  authority: SigningAuthority,
): Promise<Outcome> {
  let wanted: WantedCertificate
  try {
    wanted = await readCertificateRequest(request)
  } catch (error) {
    return { problem: `unable to parse csr: ${error instanceof Error ? error.message : error}` }
  }
  const problem = rule(wanted)
  return problem === undefined ? { certificate: await sign(wanted, request.spec.expirationSeconds, authority) } : { problem }
}

async function sign(
  { request, hosts, usages }: WantedCertificate,
  seconds = yearSeconds,
  { cert, key }: SigningAuthority,
): Promise<string> {
  const issuer = new x509.X509Certificate(cert)
  const der = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' })
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign'])
  const now = Date.now()
  const end = Math.min(now + Math.min(seconds, yearSeconds) * 1000, issuer.notAfter.getTime())
  const has = (usage: string): boolean => usages.includes(usage)
  const keyUsages =
    (has('digital signature') ? x509.KeyUsageFlags.digitalSignature : 0) |
    (has('key encipherment') ? x509.KeyUsageFlags.keyEncipherment : 0)
  const purposes = [
    ...(has('client auth') ? [x509.ExtendedKeyUsage.clientAuth] : []),
    ...(has('server auth') ? [x509.ExtendedKeyUsage.serverAuth] : []),
  ]
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)).map((byte, i) => (i === 0 ? byte & 0x7f : byte))).toString(
        'hex',
      ),
      subject: request.subjectName,
      issuer: issuer.subjectName,
      notBefore: new Date(now - backdateMs),
      notAfter: new Date(end),
      publicKey: request.publicKey,
      signingKey,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(keyUsages, true),
        new x509.ExtendedKeyUsageExtension(purposes),
        ...(hosts.length > 0 ? [new x509.SubjectAlternativeNameExtension(hosts.map(({ type, value }) => ({ type, value })))] : []),
      ],
    },
    webcrypto,
  )
  return `${certificate.toString('pem')}\n`
}
