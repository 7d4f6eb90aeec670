import fc from 'fast-check'
import t from 'tap'
import { canonicalQuantity, compareQuantities, milliValue, parseQuantity, wholeValue } from '../../../src/api/quantity.js'

const canonical: Record<string, string> = {
  '0': '0',
  '0.5': '500m',
  '1.5': '1500m',
  '100m': '100m',
  '1000m': '1',
  '1.5Gi': '1536Mi',
  '1024Mi': '1Gi',
  '1000Ki': '1000Ki',
  '1023': '1023',
  '1000': '1k',
  '2e3': '2e3',
  '12000E': '12000E',
  '1.5k': '1500',
  '.5Ki': '512',
  '0.0001m': '100n',
  '-1.5': '-1500m',
  '+3': '3',
  '5.': '5',
  '64Mi': '64Mi',
}
for (const [text, want] of Object.entries(canonical)) t.equal(canonicalQuantity(text), want, text)

t.test('values are rounded up to what they are counted in', async t => {
  t.equal(milliValue('0.1'), 100)
  t.equal(milliValue('1u'), 1)
  t.equal(milliValue(2), 2000)
  t.equal(wholeValue('64Mi'), 67_108_864)
  t.equal(wholeValue('1m'), 1)
  t.equal(wholeValue('-1500m'), -2)
  t.equal(parseQuantity('0.1n'), 1n, 'and below the finest step to that step')
})

t.test('what is no quantity is refused', async t => {
  for (const text of ['', '.', 'Mi', '1 Gi', '1K', '0x10', '1e', '1e500', '1mm', 'abc']) {
    t.throws(() => parseQuantity(text), { code: 'CONFIG_INVALID' }, JSON.stringify(text))
  }
})

const amount = fc
  .tuple(fc.bigInt(-(10n ** 12n), 10n ** 12n), fc.constantFrom('n', 'u', 'm', '', 'k', 'M', 'Ki', 'Mi', 'Gi', 'e3', 'e-3'))
  .map(([number, suffix]) => `${number}${suffix}`)

t.test('the canonical form is the same amount, and its own canonical form', async t => {
  fc.assert(
    fc.property(amount, text => {
      const form = canonicalQuantity(text)
      t.equal(compareQuantities(form, text), 0, `${text} ${form}`)
      t.equal(canonicalQuantity(form), form)
    }),
  )
})
