import fc from 'fast-check'
import t from 'tap'

import {
  differenceOf,
  type FieldSet,
  fieldSet,
  formatFieldsV1,
  intersectionOf,
  isEmptySet,
  noFields,
  oneField,
  parseFieldsV1,
  pathsOf,
  sameFields,
  unionOf,
} from '../../../src/api/field-set.js'

const element = fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'k:{"port":80,"protocol":"TCP"}', 'v:"s"')
const { set } = fc.letrec<{ set: FieldSet; branch: FieldSet }>(tie => ({
  set: fc.oneof({ maxDepth: 4 }, fc.constant(oneField), tie('branch')),
  branch: fc
    .record({ isMember: fc.boolean(), children: fc.array(fc.tuple(element, tie('set')), { maxLength: 3 }) })
    .map(({ isMember, children }) => fieldSet(isMember, children)),
}))
/** A root is no path, so it is no member. */
const root = set.map(({ children }): FieldSet => ({ isMember: false, children }))

t.test('a set is the same after it was written and read', async t => {
  fc.assert(fc.property(root, fields => sameFields(parseFieldsV1(formatFieldsV1(fields)) ?? noFields, fields)))
  t.pass()
})

t.test('the algebra of sets holds', async t => {
  fc.assert(fc.property(root, root, (a, b) => sameFields(unionOf(a, b), unionOf(b, a))))
  fc.assert(fc.property(root, root, (a, b) => sameFields(unionOf(differenceOf(a, b), intersectionOf(a, b)), a)))
  fc.assert(fc.property(root, root, (a, b) => isEmptySet(intersectionOf(differenceOf(a, b), b))))
  fc.assert(fc.property(root, root, (a, b) => sameFields(differenceOf(unionOf(a, b), b), differenceOf(a, b))))
  t.pass()
})

t.test('paths read as upstream prints them', async t => {
  const fields = parseFieldsV1({
    'f:spec': {
      'f:replicas': {},
      'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:name': {} } },
      'f:finalizers': { 'v:"a/b"': {} },
    },
  })
  t.strictSame(pathsOf(fields ?? noFields), [
    '.spec.finalizers[="a/b"]',
    '.spec.ports[port=80,protocol="TCP"]',
    '.spec.ports[port=80,protocol="TCP"].name',
    '.spec.replicas',
  ])
})

t.test('what is no FieldsV1 is told', async t => {
  for (const value of [null, 'f:a', { a: {} }, { 'k:x': {} }, { 'k:1': {} }, { 'v:': {} }, { 'f:a': 1 }, { 'f:a': { b: {} } }]) {
    t.equal(parseFieldsV1(value), undefined, JSON.stringify(value))
  }
})
