import { PodwireError } from '../base/errors/podwire-error.js'

/** Amounts are counted in thousand-millionths, the finest step a Quantity has; finer text is rounded up, as upstream. */
const nanosPerUnit = 1_000_000_000n

const decimalPowers: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
const binaryPowers: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 }

const pattern = /^([+-]?)(\d*)(?:\.(\d*))?(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d+))?$/

/** An exact amount in thousand-millionths, as `parseQuantity('1.5') === 1500000000n`. */
export type Nanos = bigint

/** Parses `100m`, `1.5Gi`, `2e3`. Errors: CONFIG_INVALID. */
export function parseQuantity(text: string | number): Nanos {
  const parts = pattern.exec(String(text))
  const [, sign, whole = '', fraction = '', binary, decimal = '', exponent] = parts ?? []
  if (!parts || whole + fraction === '') {
    throw new PodwireError('CONFIG_INVALID', `"${text}" is not a quantity: use a number with a suffix such as m, k, M, Ki or Mi`)
  }
  const power = exponent === undefined ? (binary === undefined ? decimalPowers[decimal]! : 0) : Number(exponent)
  if (Math.abs(power) > 100) throw new PodwireError('CONFIG_INVALID', `"${text}" is not a quantity: its exponent is out of range`)
  const digits = BigInt(whole + fraction) * nanosPerUnit * (binary === undefined ? 1n : 1n << BigInt(binaryPowers[binary]!))
  const shift = power - fraction.length
  const magnitude = shift >= 0 ? digits * 10n ** BigInt(shift) : divideUp(digits, 10n ** BigInt(-shift))
  return sign === '-' ? -magnitude : magnitude
}

/** Thousandths, rounded up: what requests of `cpu` are counted in. */
export const milliValue = (text: string | number): number => Number(divideUp(parseQuantity(text), nanosPerUnit / 1000n))

/** Whole units, rounded up: what requests of `memory` and counted resources are counted in. */
export const wholeValue = (text: string | number): number => Number(divideUp(parseQuantity(text), nanosPerUnit))

export const compareQuantities = (a: string | number, b: string | number): number => {
  const difference = parseQuantity(a) - parseQuantity(b)
  return difference === 0n ? 0 : difference < 0n ? -1 : 1
}

/**
 * The text the API answers with: the largest suffix of the writer's own kind that leaves a whole number, as `1500m` for `1.5` and
 * `1536Mi` for `1.5Gi`. Errors: CONFIG_INVALID.
 */
export function canonicalQuantity(text: string | number): string {
  const nanos = parseQuantity(text)
  const isBinary = /i$/.test(String(text))
  const exponentForm = /[eE][+-]?\d+$/.test(String(text))
  return isBinary ? formatBinary(nanos) : formatDecimal(nanos, exponentForm)
}

function formatBinary(nanos: Nanos): string {
  // Below 1Ki or with a fraction, binary suffixes have no form; upstream falls back on decimal ones.
  if (nanos % nanosPerUnit !== 0n || abs(nanos) < 1024n * nanosPerUnit) return formatDecimal(nanos, false)
  let units = nanos / nanosPerUnit
  let suffix = ''
  for (const next of Object.keys(binaryPowers)) {
    if (units % 1024n !== 0n) break
    units /= 1024n
    suffix = next
  }
  return `${units}${suffix}`
}

function formatDecimal(nanos: Nanos, exponentForm: boolean): string {
  if (nanos === 0n) return '0'
  let units = nanos
  let power = -9
  while (power < 18 && units % 1000n === 0n) {
    units /= 1000n
    power += 3
  }
  if (exponentForm) return power === 0 ? `${units}` : `${units}e${power}`
  return `${units}${Object.keys(decimalPowers).find(suffix => decimalPowers[suffix] === power)}`
}

const abs = (value: bigint): bigint => (value < 0n ? -value : value)

/** Division that rounds away from zero. */
const divideUp = (a: bigint, b: bigint): bigint => {
  const quotient = a / b
  if (a % b === 0n) return quotient
  return a < 0n ? quotient - 1n : quotient + 1n
}
