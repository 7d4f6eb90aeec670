import fc from 'fast-check'
import { createPatch } from 'rfc6902'
import t from 'tap'
import type { JsonValue } from '../../../src/api/json.js'
import { applyJsonPatch } from '../../../src/api/json-patch.js'
import { applyMergePatch } from '../../../src/api/merge-patch.js'

t.test('a JSON patch changes a copy', async t => {
  const document = { metadata: { labels: { a: '1' } }, list: [1, 2] }
  const patch = [
    { op: 'test', path: '/metadata/labels/a', value: '1' },
    { op: 'add', path: '/metadata/labels/x~1y', value: '2' },
    { op: 'remove', path: '/list/0' },
    { op: 'add', path: '/list/-', value: 3 },
    { op: 'move', from: '/metadata/labels/a', path: '/moved' },
  ]
  t.strictSame(applyJsonPatch(document, patch), { metadata: { labels: { 'x/y': '2' } }, list: [2, 3], moved: '1' })
  t.strictSame(document, { metadata: { labels: { a: '1' } }, list: [1, 2] })
})

t.test('what is no patch is a bad request, what does not fit is unprocessable', async t => {
  const bad: JsonValue[] = [
    {},
    ['x'],
    [{ op: 'frobnicate', path: '/a' }],
    [{ op: 'add', path: 'a', value: 1 }],
    [{ op: 'add', path: '/a' }],
    [{ op: 'copy', path: '/a' }],
    [{ op: 'replace', path: '', value: 1 }],
  ]
  for (const patch of bad) t.throws(() => applyJsonPatch({}, patch), { cause: { code: 400 } }, JSON.stringify(patch))
  const unfit: JsonValue[] = [
    [{ op: 'test', path: '/a', value: 2 }],
    [{ op: 'remove', path: '/b' }],
    [{ op: 'replace', path: '/b/c', value: 1 }],
  ]
  for (const patch of unfit) t.throws(() => applyJsonPatch({ a: 1 }, patch), { cause: { code: 422 } }, JSON.stringify(patch))
})

const json = fc.jsonValue({ maxDepth: 3 }).map(value => JSON.parse(JSON.stringify(value))) as fc.Arbitrary<JsonValue>
const object = fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), json, { noNullPrototype: true })

t.test('the patch from one object to another leads there', async t => {
  fc.assert(
    fc.property(object, object, (from, to) => {
      t.strictSame(applyJsonPatch(from, createPatch(from, to) as unknown as JsonValue), to)
    }),
    { numRuns: 100 },
  )
})

t.test('merge patches do as the examples of RFC 7386', async t => {
  const examples: [JsonValue, JsonValue, JsonValue][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]
  for (const [target, patch, want] of examples) t.strictSame(applyMergePatch(target, patch), want, JSON.stringify(patch))
})

t.test('a merge patch twice is the same as once, and never pollutes a prototype', async t => {
  fc.assert(
    fc.property(json, json, (target, patch) => {
      const once = applyMergePatch(target, patch)
      t.strictSame(applyMergePatch(once, patch), once)
    }),
    { numRuns: 100 },
  )
  const merged = applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}')) as Record<string, unknown>
  t.equal(merged.polluted, undefined)
  t.ok(Object.hasOwn(merged, '__proto__'))
})
