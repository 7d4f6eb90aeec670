import t from 'tap'

import type { Container, Service } from '../../../../src/api/generated/types.js'
import { buildContainerEnv, envReferences } from '../../../../src/node/kubelet/container-env.js'
import { kubeletConfig } from '../../../support/kubelet-config.js'

const service = (namespace: string, name: string, clusterIP: string): Service => ({
  metadata: { namespace, name },
  spec: { clusterIP, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
})

const services = [
  service('default', 'kubernetes', '10.96.0.1'),
  service('shop', 'my-web', '10.96.0.7'),
  service('other', 'far', '10.96.0.8'),
  service('shop', 'headless', 'None'),
]

function envOf(container: Partial<Container>, options: { readonly enableServiceLinks?: boolean } = {}): Readonly<Record<string, string>> {
  const whole: Container = { name: 'main', ...container }
  const pod = {
    metadata: { namespace: 'shop', name: 'web', uid: 'u1', labels: { app: 'web' }, annotations: { note: 'a "b"' } },
    spec: { containers: [whole], enableServiceLinks: options.enableServiceLinks ?? false, serviceAccountName: 'robot' },
  }
  const env = buildContainerEnv({
    pod,
    container: whole,
    config: kubeletConfig,
    ips: ['10.244.1.5'],
    capacity: { cpus: 2, memoryBytes: 1024 },
    services,
    configMaps: new Map([['settings', { data: { colour: 'red', 'two words': 'x' } }]]),
    secrets: new Map([['keys', { data: { token: Buffer.from('s3cret').toString('base64') } }]]),
  })
  return Object.fromEntries([...env].filter(([name]) => !name.startsWith('KUBERNETES_')))
}

t.test('sources and their order', async t => {
  t.same(
    envOf({
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '$(A)$(A) $$(A) $(C) $(A' },
        { name: 'A', value: '2' },
      ],
    }),
    {
      A: '2',
      B: '11 $(A) $(C) $(A',
    },
  )
  t.same(
    envOf({
      envFrom: [{ prefix: 'X_', configMapRef: { name: 'settings' } }, { secretRef: { name: 'keys' } }],
      env: [{ name: 'token', value: 'mine' }],
    }),
    {
      X_colour: 'red',
      'X_two words': 'x',
      token: 'mine',
    },
  )
})

t.test('references', async t => {
  const of = (valueFrom: object) => envOf({ env: [{ name: 'V', valueFrom }], resources: { limits: { cpu: '1500m', memory: '3Ki' } } }).V
  const fields: Readonly<Record<string, string>> = {
    'metadata.name': 'web',
    'metadata.namespace': 'shop',
    'metadata.uid': 'u1',
    "metadata.labels['app']": 'web',
    "metadata.labels['none']": '',
    'metadata.annotations': 'note="a \\"b\\""',
    'spec.nodeName': 'node-1',
    'spec.serviceAccountName': 'robot',
    'status.hostIP': '172.30.0.11',
    'status.podIP': '10.244.1.5',
  }
  for (const [fieldPath, want] of Object.entries(fields)) t.equal(of({ fieldRef: { fieldPath } }), want, fieldPath)
  t.equal(of({ resourceFieldRef: { resource: 'limits.cpu' } }), '2', 'rounded up')
  t.equal(of({ resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } }), '1500')
  t.equal(of({ resourceFieldRef: { resource: 'limits.memory', divisor: '1Ki' } }), '3')
  t.equal(of({ secretKeyRef: { name: 'keys', key: 'token' } }), 's3cret')
  t.equal(of({ configMapKeyRef: { name: 'settings', key: 'none', optional: true } }), undefined, 'optional: not set')
  t.throws(() => of({ configMapKeyRef: { name: 'settings', key: 'none' } }), { name: 'ContainerConfigError', message: /key none/ })
  t.throws(() => of({ configMapKeyRef: { name: 'nowhere', key: 'k' } }), { message: 'configmap "nowhere" not found' })
  t.throws(() => of({ secretKeyRef: { name: 'nowhere', key: 'k' } }), { message: 'secret "nowhere" not found' })
  t.throws(() => of({ fieldRef: { fieldPath: 'status.phase' } }), { message: /unsupported fieldPath/ })
})

t.test('Services of the namespace, without headless ones', async t => {
  t.same(envOf({}, { enableServiceLinks: true }), {
    MY_WEB_SERVICE_HOST: '10.96.0.7',
    MY_WEB_SERVICE_PORT: '80',
    MY_WEB_SERVICE_PORT_HTTP: '80',
    MY_WEB_PORT: 'tcp://10.96.0.7:80',
    MY_WEB_PORT_80_TCP: 'tcp://10.96.0.7:80',
    MY_WEB_PORT_80_TCP_PROTO: 'tcp',
    MY_WEB_PORT_80_TCP_PORT: '80',
    MY_WEB_PORT_80_TCP_ADDR: '10.96.0.7',
  })
})

t.test('what a container refers to', async t => {
  const container: Container = {
    name: 'main',
    envFrom: [{ configMapRef: { name: 'a' } }, { secretRef: { name: 'b' } }],
    env: [
      { name: 'X', valueFrom: { configMapKeyRef: { name: 'a', key: 'k' } } },
      { name: 'Y', valueFrom: { secretKeyRef: { name: 'c', key: 'k' } } },
    ],
  }
  t.same(envReferences(container), { configMaps: ['a'], secrets: ['b', 'c'] })
})
