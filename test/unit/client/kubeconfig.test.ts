import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { inClusterConfig, loadKubeconfig } from '../../../src/client/kubeconfig.js'

const dir = t.testdir({ 'ca.crt': 'CA', 'user.key': 'KEY', token: 'secret' })
const base64 = (text: string) => Buffer.from(text).toString('base64')
const file = join(dir, 'config')
const write = (over: object = {}) => {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    preferences: {},
    'current-context': 'first',
    clusters: [
      { name: 'c', cluster: { server: 'https://127.0.0.1:6443/', 'certificate-authority': 'ca.crt' } },
      { name: 'd', cluster: { server: 'https://other:1', 'certificate-authority-data': base64('DATA'), 'tls-server-name': 'kubernetes' } },
    ],
    users: [
      { name: 'u', user: { 'client-certificate-data': base64('CERT'), 'client-key': 'user.key' } },
      { name: 'v', user: { tokenFile: 'token' } },
    ],
    contexts: [
      { name: 'first', context: { cluster: 'c', user: 'u', namespace: 'shop' } },
      { name: 'second', context: { cluster: 'd', user: 'v' } },
      { name: 'lost', context: { cluster: 'nowhere', user: 'u' } },
    ],
    ...over,
  }
  writeFileSync(file, stringify(config))
}

t.test('the current context, or the one that is named', async t => {
  write()
  t.strictSame(loadKubeconfig(file), { server: 'https://127.0.0.1:6443', ca: 'CA', cert: 'CERT', key: 'KEY', namespace: 'shop' })
  t.strictSame(loadKubeconfig(file, 'second'), {
    server: 'https://other:1',
    ca: 'DATA',
    tokenFile: join(dir, 'token'),
    tlsServerName: 'kubernetes',
  })
})

t.test('what cannot be used is told', async t => {
  write()
  t.throws(() => loadKubeconfig(join(dir, 'absent')), { code: 'NOT_FOUND' })
  t.throws(() => loadKubeconfig(file, 'third'), { code: 'CONFIG_INVALID', message: /no context third/ })
  t.throws(() => loadKubeconfig(file, 'lost'), { code: 'CONFIG_INVALID', message: /nowhere/ })
  write({ clusters: [{ name: 'c', cluster: { server: 'nonsense' } }] })
  t.throws(() => loadKubeconfig(file), { code: 'CONFIG_INVALID', message: /clusters\[0\]\.cluster\.server/ })
  writeFileSync(file, 'a: [')
  t.throws(() => loadKubeconfig(file), { code: 'CONFIG_INVALID' })
})

t.test('inside a Pod', async t => {
  const secrets = join(dir, 'secrets')
  mkdirSync(secrets)
  writeFileSync(join(secrets, 'ca.crt'), 'CA')
  writeFileSync(join(secrets, 'namespace'), 'kube-system\n')
  const env = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' }
  const want = { server: 'https://10.96.0.1:443', ca: 'CA', tokenFile: join(secrets, 'token'), namespace: 'kube-system' }
  t.strictSame(inClusterConfig(env, secrets), want)
  t.throws(() => inClusterConfig({}, secrets), { code: 'NOT_FOUND' })
})
