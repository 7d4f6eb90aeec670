import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type TLSSocket } from 'node:tls'
import t from 'tap'

import { loadKubeconfig } from '../../../src/client/kubeconfig.js'
import { kubeconfigText } from '../../../src/lab/kubeconfig-file.js'
import { adminIdentity, type Credentials, createPki, nodeIdentity } from '../../../src/lab/pki.js'

const request = {
  labName: 'shop',
  serverNames: { dns: ['localhost', 'kubernetes.default.svc'], ip: ['127.0.0.1', '10.96.0.1'] },
  identities: [adminIdentity, nodeIdentity('node-1')],
  nodes: [{ name: 'node-1', address: '172.30.0.11' }],
}

t.test('the server and its clients know each other by their certificates', async t => {
  const pki = await createPki(request)
  const server = createServer({ ...pki.server, ca: pki.ca, requestCert: true, rejectUnauthorized: false })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())

  const peerOf = async (credentials: Credentials): Promise<TLSSocket> => {
    const { port } = server.address() as { port: number }
    const [[peer]] = await Promise.all([once(server, 'secureConnection'), greet(port, { ca: pki.ca, ...credentials })])
    return peer
  }
  const node = await peerOf(pki.clients.get('system:node:node-1')!)
  t.equal(node.authorized, true)
  t.match(node.getPeerCertificate().subject, { CN: 'system:node:node-1', O: 'system:nodes' })
  node.destroy()

  const otherLab = await createPki(request)
  const stranger = await peerOf(otherLab.clients.get('kubernetes-admin')!)
  t.equal(stranger.authorized, false, 'a certificate of another authority with the same name')
  stranger.destroy()
})

/** Connects, which verifies the server, and stays connected until the server ends it. */
async function greet(port: number, options: { readonly ca: string; readonly cert: string; readonly key: string }): Promise<void> {
  const client = connect({ host: '127.0.0.1', port, ...options })
  await once(client, 'secureConnect')
  client.on('error', () => {})
  client.resume()
}

t.test('certificates say what they are for', async t => {
  const pki = await createPki(request)
  const [ca, server, admin] = [pki.ca, pki.server.cert, pki.clients.get('kubernetes-admin')!.cert].map(pem => new X509Certificate(pem))
  t.equal(ca!.ca, true)
  t.equal(ca!.subject, 'CN=podwire shop')
  for (const certificate of [server!, admin!]) {
    t.equal(certificate.ca, false)
    t.ok(certificate.verify(ca!.publicKey))
    t.ok(certificate.checkIssued(ca!))
  }
  t.equal(server!.subjectAltName, 'DNS:localhost, DNS:kubernetes.default.svc, IP Address:127.0.0.1, IP Address:10.96.0.1')
  t.strictSame(server!.keyUsage, ['1.3.6.1.5.5.7.3.1'], 'server authentication')
  t.strictSame(admin!.keyUsage, ['1.3.6.1.5.5.7.3.2'], 'client authentication')
  t.equal(admin!.subject, 'CN=kubernetes-admin\nO=system:masters')
  t.ok(admin!.checkPrivateKey(createPrivateKey(pki.clients.get('kubernetes-admin')!.key)))
  t.match(createPrivateKey(pki.serviceAccountKey).asymmetricKeyDetails, { namedCurve: 'prime256v1' })
})

t.test('a kubeconfig carries all that a client needs', async t => {
  const pki = await createPki(request)
  const credentials = pki.clients.get('kubernetes-admin')!
  const file = `${t.testdir()}/kubeconfig`
  writeFileSync(
    file,
    kubeconfigText({ name: 'podwire-shop', user: 'kubernetes-admin', server: 'https://127.0.0.1:1234', ca: pki.ca, credentials }),
  )
  t.match(loadKubeconfig(file), { server: 'https://127.0.0.1:1234', ca: pki.ca, ...credentials })
  t.match(readFileSync(file, 'utf8'), /^current-context: podwire-shop$/m)
  t.ok(statSync(file).size > 1000)
})
