import type { Pod, ResourceRequirements } from '../../api/generated/types.js'
import { milliValue, wholeValue } from '../../api/quantity.js'

/** What Pods ask for and nodes have. */
export interface Amounts {
  readonly cpuMillis: number
  readonly memoryBytes: number
}

export const noAmounts: Amounts = { cpuMillis: 0, memoryBytes: 0 }

export const addAmounts = (a: Amounts, b: Amounts): Amounts => ({
  cpuMillis: a.cpuMillis + b.cpuMillis,
  memoryBytes: a.memoryBytes + b.memoryBytes,
})

const largerOf = (a: Amounts, b: Amounts): Amounts => ({
  cpuMillis: Math.max(a.cpuMillis, b.cpuMillis),
  memoryBytes: Math.max(a.memoryBytes, b.memoryBytes),
})

const amountsOf = ({ requests }: ResourceRequirements = {}): Amounts => ({
  cpuMillis: milliValue(requests?.cpu ?? 0),
  memoryBytes: wholeValue(requests?.memory ?? 0),
})

/** All containers together, or the largest init container when that is more, since init containers run alone. */
export function requestsOf({ spec }: Pod): Amounts {
  const running = (spec?.containers ?? []).map(({ resources }) => amountsOf(resources)).reduce(addAmounts, noAmounts)
  return (spec?.initContainers ?? []).map(({ resources }) => amountsOf(resources)).reduce(largerOf, running)
}
