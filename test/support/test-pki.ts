import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type GeneralNameType,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

/** A certificate with its key, as PEM. */
export interface TestIdentity {
  readonly cert: string
  readonly key: string
}

/** A certificate authority for one test. */
export interface TestPki {
  readonly ca: string
  /** The authority's key, PKCS#8 PEM. */
  readonly caKey: string
  readonly server: TestIdentity
  /** PKCS#8 PEM of a P-256 key for ServiceAccount tokens. */
  readonly tokenKey: string
  client(name: string, groups?: readonly string[]): Promise<TestIdentity>
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) }

/** Makes an authority, a server certificate for 127.0.0.1 and localhost, and client certificates on demand. */
export async function createTestPki(): Promise<TestPki> {
  cryptoProvider.set(webcrypto as unknown as Parameters<typeof cryptoProvider.set>[1])
  const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
    webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>
  const pemOf = async (key: webcrypto.CryptoKey): Promise<string> => {
    const body = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
      .toString('base64')
      .replace(/.{64}/g, '$&\n')
    return `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`
  }
  const caKeys = await newKeys()
  const ca: X509Certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=test authority',
    keys: caKeys,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true)],
    ...validity,
  })

  async function issue(
    subject: string,
    usage: ExtendedKeyUsage,
    names: { type: GeneralNameType; value: string }[] = [],
  ): Promise<TestIdentity> {
    const keys = await newKeys()
    const cert = await X509CertificateGenerator.create({
      subject,
      issuer: ca.subject,
      publicKey: keys.publicKey,
      signingKey: caKeys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [new ExtendedKeyUsageExtension([usage]), ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : [])],
      ...validity,
    })
    return { cert: cert.toString('pem'), key: await pemOf(keys.privateKey) }
  }

  return {
    ca: ca.toString('pem'),
    caKey: await pemOf(caKeys.privateKey),
    server: await issue('CN=kube-apiserver', ExtendedKeyUsage.serverAuth, [
      { type: 'ip', value: '127.0.0.1' },
      { type: 'dns', value: 'localhost' },
    ]),
    tokenKey: await pemOf((await newKeys()).privateKey),
    client: (name, groups = []) => issue([`CN=${name}`, ...groups.map(group => `O=${group}`)].join(', '), ExtendedKeyUsage.clientAuth),
  }
}
