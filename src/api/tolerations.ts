import type { Taint, Toleration } from './generated/types.js'

/** True when this toleration covers this taint, whatever its time. */
export function tolerates({ key = '', operator = 'Equal', value = '', effect = '' }: Toleration, taint: Taint): boolean {
  if (effect !== '' && effect !== taint.effect) return false
  if (key === '') return operator === 'Exists'
  return key === taint.key && (operator === 'Exists' || value === (taint.value ?? ''))
}

/** The first taint of these effects that none of the tolerations covers. */
export const untolerated = (
  taints: readonly Taint[] = [],
  tolerations: readonly Toleration[] = [],
  effects: readonly string[],
): Taint | undefined =>
  taints.find(taint => effects.includes(taint.effect) && !tolerations.some(toleration => tolerates(toleration, taint)))
