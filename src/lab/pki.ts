import 'reflect-metadata'

import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

/** A certificate and its private key (PKCS#8), both PEM. */
export interface Credentials {
  readonly cert: string
  readonly key: string
}

/** Who a client is to the API server: the common name and the organizations of its certificate. */
export interface Identity {
  readonly user: string
  readonly groups: readonly string[]
}

/** All keys of one lab. */
export interface Pki {
  /** The authority's certificate, PEM. */
  readonly ca: string
  /** The authority's own key, PKCS#8 PEM: for the server alone, which signs certificate requests with it. */
  readonly caKey: string
  readonly server: Credentials
  /** PKCS#8 PEM of the P-256 key that signs ServiceAccount tokens. */
  readonly serviceAccountKey: string
  /** By the identity's user. */
  readonly clients: ReadonlyMap<string, Credentials>
  /** What nodes show the API server, by the node's name. */
  readonly nodeServers: ReadonlyMap<string, Credentials>
}

export interface PkiRequest {
  readonly labName: string
  /** Names and addresses under which the API server is reached. */
  readonly serverNames: { readonly dns: readonly string[]; readonly ip: readonly string[] }
  readonly identities: readonly Identity[]
  /** Nodes that answer the API server at these addresses. */
  readonly nodes: readonly { readonly name: string; readonly address: string }[]
}

export const adminIdentity: Identity = { user: 'kubernetes-admin', groups: ['system:masters'] }
export const controllersIdentity: Identity = { user: 'system:kube-controller-manager', groups: [] }
export const schedulerIdentity: Identity = { user: 'system:kube-scheduler', groups: [] }
/** The API server as nodes know it. */
export const serverIdentity: Identity = { user: 'kube-apiserver', groups: [] }
export const nodeIdentity = (node: string): Identity => ({ user: `system:node:${node}`, groups: ['system:nodes'] })

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const
const dayMs = 24 * 60 * 60 * 1000

/** Makes an authority and all certificates of a lab: fresh keys, P-256, valid from a day ago for ten years. */
export async function createPki({ labName, serverNames, identities, nodes }: PkiRequest): Promise<Pki> {
  const authority = await createAuthority(`podwire ${labName}`)
  const [server, serviceAccount, ...clients] = await Promise.all([
    issue(authority, { CN: ['kube-apiserver'] }, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...serverNames.dns.map(value => ({ type: 'dns', value }) as const),
        ...serverNames.ip.map(value => ({ type: 'ip', value }) as const),
      ]),
    ]),
    generateKeys(),
    ...identities.map(({ user, groups }) =>
      issue(authority, { CN: [user], ...(groups.length > 0 && { O: [...groups] }) }, [
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
      ]),
    ),
  ])
  const nodeServers = await Promise.all(
    nodes.map(({ name, address }) =>
      issue(authority, { CN: [nodeIdentity(name).user], O: ['system:nodes'] }, [
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([
          { type: 'dns', value: name },
          { type: 'ip', value: address },
        ]),
      ]),
    ),
  )
  return {
    ca: pem(authority.certificate),
    caKey: await keyPem(authority.keys.privateKey),
    server,
    serviceAccountKey: await keyPem(serviceAccount.privateKey),
    clients: new Map(identities.map(({ user }, i) => [user, clients[i]!])),
    nodeServers: new Map(nodes.map(({ name }, i) => [name, nodeServers[i]!])),
  }
}

interface Authority {
  readonly certificate: x509.X509Certificate
  readonly keys: webcrypto.CryptoKeyPair
}

async function createAuthority(commonName: string): Promise<Authority> {
  const keys = await generateKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...commonFields(),
      name: [{ CN: [commonName] }],
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  )
  return { certificate, keys }
}

async function issue(
  authority: Authority,
  subject: Readonly<Record<string, string[]>>,
  extensions: readonly x509.Extension[],
): Promise<Credentials> {
  const keys = await generateKeys()
  const certificate = await x509.X509CertificateGenerator.create(
    {
      ...commonFields(),
      subject: Object.entries(subject).map(([type, values]) => ({ [type]: values })),
      issuer: authority.certificate.subjectName,
      publicKey: keys.publicKey,
      signingKey: authority.keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        await x509.AuthorityKeyIdentifierExtension.create(authority.keys.publicKey, false, webcrypto),
        ...extensions,
      ],
    },
    webcrypto,
  )
  return { cert: pem(certificate), key: await keyPem(keys.privateKey) }
}

const commonFields = () => ({
  serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)).map((byte, i) => (i === 0 ? byte & 0x7f : byte))).toString('hex'),
  notBefore: new Date(Date.now() - dayMs),
  notAfter: new Date(Date.now() + 3650 * dayMs),
  signingAlgorithm,
})

const generateKeys = () => webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])

const pem = (certificate: x509.X509Certificate): string => `${certificate.toString('pem')}\n`

const keyPem = async (key: webcrypto.CryptoKey): Promise<string> =>
  `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`
