import fc from 'fast-check'
import t from 'tap'

import { decodeObject } from '../../../src/api/decode-object.js'
import { findDuplicateFields } from '../../../src/api/duplicate-fields.js'
import type { JsonObject } from '../../../src/api/json.js'

const pod = 'io.k8s.api.core.v1.Pod'
const decode = (value: object, type = pod) => decodeObject(value as JsonObject, type)

t.test('knows its fields, and leaves out nulls and strangers', async t => {
  const { object, unknownFields, problem } = decode({
    metadata: { name: 'a', creationTimestamp: null, labels: { x: 'y' }, stranger: 1 },
    spec: { containers: [{ name: 'c', imag: 'x', ports: [{ containerPort: 1, hostport: 2 }] }], foo: {} },
    bar: null,
  })
  t.strictSame(object, {
    metadata: { name: 'a', labels: { x: 'y' } },
    spec: { containers: [{ name: 'c', ports: [{ containerPort: 1 }] }] },
  })
  t.strictSame(unknownFields, ['metadata.stranger', 'spec.containers[0].imag', 'spec.containers[0].ports[0].hostport', 'spec.foo', 'bar'])
  t.equal(problem, undefined)
})

t.test('values of a wrong type', async t => {
  const rows: [value: object, problem: RegExp][] = [
    [{ spec: { containers: 'x' } }, /cannot unmarshal string into Go struct field PodSpec.spec.containers of type \[\]/],
    [{ metadata: 7 }, /cannot unmarshal number into Go struct field .*metadata of type v1.ObjectMeta/],
    [{ metadata: { labels: { a: 1 } } }, /cannot unmarshal number .*metadata.labels.a of type string/],
    [{ spec: { terminationGracePeriodSeconds: 1.5 } }, /cannot unmarshal number 1.5/],
    [{ spec: { hostNetwork: 'yes' } }, /of type bool/],
    [{ metadata: { creationTimestamp: 'yesterday' } }, /parsing time "yesterday"/],
    [{ spec: { containers: [{ resources: { limits: { cpu: 'lots' } } }] } }, /quantities must match/],
  ]
  for (const [value, problem] of rows) t.match(decode(value).problem, problem)
  t.match(decode({ data: { a: 'no base64!' } }, 'io.k8s.api.core.v1.Secret').problem, /illegal base64/)
})

t.test('quantities take their canonical form', async t => {
  const { object } = decode({ spec: { containers: [{ resources: { limits: { cpu: 0.5, memory: '1024Mi' } } }] } })
  t.match(object, { spec: { containers: [{ resources: { limits: { cpu: '500m', memory: '1Gi' } } }] } })
})

t.test('never throws', async t => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('metadata', 'spec', 'status', '__proto__'), fc.jsonValue()), value => {
      decode(value)
    }),
  )
  t.pass('whatever came in')
})

t.test('duplicate fields', async t => {
  const rows: [text: string, paths: string[]][] = [
    ['{"a":1,"b":{"a":2}}', []],
    ['{"a":1,"a":2,"a":3}', ['a']],
    ['{"spec":{"ports":[{"name":"x"},{"name":"y","name":"z"}]}}', ['spec.ports[1].name']],
    ['{"a":"\\"a\\":1,{","b":[1,"a",["a"]],"a":{}}', ['a']],
    ['{"a\\u0062":1,"ab":2}', ['ab']],
  ]
  for (const [text, paths] of rows) t.strictSame(findDuplicateFields(text), paths, text)
  fc.assert(fc.property(fc.jsonValue(), value => findDuplicateFields(JSON.stringify(value)).length === 0))
})
