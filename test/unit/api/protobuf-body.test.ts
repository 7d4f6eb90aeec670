import fc from 'fast-check'
import t from 'tap'

import { decodeProtobufBody } from '../../../src/api/protobuf-body.js'
import { isPodwireError } from '../../../src/base/errors/podwire-error.js'
import { field, kubernetesBody, number } from '../../support/protobuf-writer.js'

t.test('a Deployment as kubectl create writes it', async t => {
  const container = field(2, field(1, 'main'), field(2, 'image:1'), field(8), field(6, number(2, 0), number(3, 8080), field(4, '')))
  const template = field(3, field(1, field(11, field(1, 'app'), field(2, 'web'))), field(2, container))
  const spec = field(
    2,
    number(1, 0),
    field(2, field(1, field(1, 'app'), field(2, 'web'))),
    template,
    field(4, field(1, '')),
    number(5, 0),
    number(7, 0),
  )
  const body = kubernetesBody('apps/v1', 'Deployment', field(1, field(1, 'web'), field(2, ''), number(7, 0), field(8)), spec)
  t.strictSame(decodeProtobufBody(body), {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'main', image: 'image:1', ports: [{ containerPort: 8080 }] }] },
      },
    },
  })
})

t.test('what has a form of its own', async t => {
  const port = field(1, field(1, 'http'), number(3, 80), field(4, number(1, 1), field(3, 'web')))
  const other = field(1, field(1, 'dns'), number(3, 53), field(4, number(1, 0), number(2, 5353)))
  t.match(decodeProtobufBody(kubernetesBody('v1', 'Service', field(2, port, other))), {
    spec: {
      ports: [
        { name: 'http', port: 80, targetPort: 'web' },
        { name: 'dns', port: 53, targetPort: 5353 },
      ],
    },
  })
  const secret = kubernetesBody('v1', 'Secret', field(2, field(1, 'k'), field(2, 'value')), field(1, field(8, number(1, 1_700_000_000))))
  t.match(decodeProtobufBody(secret), { data: { k: 'dmFsdWU=' }, metadata: { creationTimestamp: '2023-11-14T22:13:20Z' } })
  // A volume's source is inlined in Go, a message of its own here; quantities are messages too.
  const volume = field(1, field(1, 'scratch'), field(2, field(2, field(1, 'Memory'), field(2, field(1, '64Mi')))))
  t.match(decodeProtobufBody(kubernetesBody('v1', 'Pod', field(2, volume))), {
    spec: { volumes: [{ name: 'scratch', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } }] },
  })
  const probe = field(11, field(1, field(2, field(1, '/ready'), field(2, number(2, 8080)))), number(2, 5))
  t.match(decodeProtobufBody(kubernetesBody('v1', 'Pod', field(2, field(2, probe)))), {
    spec: { containers: [{ readinessProbe: { httpGet: { path: '/ready', port: 8080 }, initialDelaySeconds: 5 } }] },
  })
})

t.test('bytes that are no message are refused, never a crash', async t => {
  const refused = (bytes: Buffer): boolean => {
    try {
      decodeProtobufBody(bytes)
      return true
    } catch (error) {
      return isPodwireError(error, 'API_REFUSED')
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), noise => refused(Buffer.from(noise))))
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), noise => refused(kubernetesBody('v1', 'Pod', Buffer.from(noise)))))
  t.throws(() => decodeProtobufBody(kubernetesBody('v1', 'Widget')), /no kind "Widget" is registered/)
})
