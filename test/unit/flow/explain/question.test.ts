/** The words of `podwire trace` and `podwire why`. */
import t from 'tap'
import { parseParty } from '../../../../src/flow/explain/question.js'

t.test('kinds as kubectl names them, names with or without a namespace, ports by number or name', async t => {
  for (const [text, kind, key, port] of [
    ['pod/client', 'pod', 'shop/client', undefined],
    ['pod/other/client:8080', 'pod', 'other/client', 8080],
    ['svc/web:http', 'service', 'shop/web', 'http'],
    ['service/web', 'service', 'shop/web', undefined],
    ['deploy/client', 'deployment', 'shop/client', undefined],
    ['node/node-1:30080', 'node', 'node-1', 30080],
    ['external/ext1', 'external', 'ext1', undefined],
  ] as const) {
    t.strictSame(parseParty(text, 'shop'), { kind, key, port }, text)
  }
})

t.test('what names nothing is refused with the way to write it', async t => {
  for (const text of ['client', 'pods/client', 'pod/', 'pod/a/b/c', 'node/a/b/c', 'svc/web:', '10.96.0.1:80', '']) {
    t.throws(() => parseParty(text, 'default'), { code: 'CONFIG_INVALID', hint: /write pod\/NAME/ }, text)
  }
})
