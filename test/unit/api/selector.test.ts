import fc from 'fast-check'
import t from 'tap'
import { parseLabelSelector } from '../../../src/api/parse-label-selector.js'
import {
  formatLabelSelector,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  type Requirement,
  requirementsOf,
  selectorMatches,
} from '../../../src/api/selector.js'

const labels = { app: 'web', tier: 'front', 'podwire.dev/n': '7', empty: '' }
const selectors: Record<string, boolean> = {
  '': true,
  'app=web': true,
  'app==web,tier=front': true,
  'app=web,tier=back': false,
  'app!=web': false,
  'other!=x': true,
  'app in (db, web)': true,
  'app notin (db,web)': false,
  'other notin (a)': true,
  app: true,
  other: false,
  '!app': false,
  '! other': true,
  'empty=': true,
  'podwire.dev/n>6': true,
  'podwire.dev/n<7': false,
  'app>1': false,
  'app in (web),tier,!x': true,
}
for (const [text, want] of Object.entries(selectors)) {
  t.equal(matchesLabels(parseLabelSelector(text), labels), want, `"${text}"`)
}

t.test('what is no selector is refused', async t => {
  for (const text of ['a=b=c', 'a in b', 'a,,b', '=x', 'a in (b', 'a in (b c)', '!a=b', '(((', 'a>b', 'a b', 'a=ä', '-a=b'])
    t.throws(() => parseLabelSelector(text), { code: 'CONFIG_INVALID' }, text)
  for (const text of ['a', 'a=b=c', '=b']) t.throws(() => parseFieldSelector(text), { code: 'CONFIG_INVALID' }, text)
})

t.test('refusals have the words of upstream', async t => {
  const words: Record<string, string> = {
    '(((': "found '(', expected: !, identifier, or 'end of string'",
    'a b': "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
    'a,,b': "found ',', expected: identifier after ','",
    'a in b': "unable to parse requirement: found 'b' expected: '('",
    'a=b c': "found 'c', expected: ',' or 'end of string'",
    'a>b': "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer",
  }
  for (const [text, message] of Object.entries(words)) t.throws(() => parseLabelSelector(text), { message }, text)
  t.throws(() => parseFieldSelector('a=b,c'), { message: "invalid selector: 'a=b,c'; can't understand 'c'" })
})

t.test('LabelSelector objects', async t => {
  t.notOk(selectorMatches(undefined, labels), 'an absent one selects nothing')
  t.ok(selectorMatches({}, labels), 'an empty one everything')
  t.ok(selectorMatches({ matchLabels: { app: 'web' }, matchExpressions: [{ key: 'x', operator: 'DoesNotExist' }] }, labels))
  t.notOk(selectorMatches({ matchLabels: { app: 'web' }, matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] }, labels))
  t.strictSame(requirementsOf({ matchLabels: { a: 'b' } }), [{ key: 'a', operator: 'In', values: ['b'] }])
})

t.test('field selectors', async t => {
  const fields = { 'metadata.name': 'a', 'spec.nodeName': '', odd: 'x,y=z\\' }
  const cases: Record<string, boolean> = {
    '': true,
    'metadata.name=a': true,
    'metadata.name==a,spec.nodeName=': true,
    'metadata.name!=a': false,
    'spec.nodeName!=': false,
    'missing=': true,
    'odd=x\\,y\\=z\\\\': true,
  }
  for (const [text, want] of Object.entries(cases)) t.equal(matchesFields(parseFieldSelector(text), fields), want, `"${text}"`)
})

const key = fc.stringMatching(/^[a-z]([a-z0-9]{0,5}\/[a-z])?$/)
const value = fc.stringMatching(/^[A-Za-z0-9]{1,4}$/)
const requirement: fc.Arbitrary<Requirement> = fc
  .oneof(
    fc.record({ key, operator: fc.constantFrom('In' as const, 'NotIn' as const), values: fc.array(value, { minLength: 1, maxLength: 3 }) }),
    fc.record({ key, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const), values: fc.constant([]) }),
    fc.record({ key, operator: fc.constantFrom('Gt' as const, 'Lt' as const), values: fc.tuple(fc.nat().map(String)) }),
  )
  .map(plain => ({ ...plain }))

t.test('the text of a selector parses to the same selector', async t => {
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 4 }), requirements => {
      t.strictSame(parseLabelSelector(formatLabelSelector(requirements)), requirements)
    }),
  )
})
