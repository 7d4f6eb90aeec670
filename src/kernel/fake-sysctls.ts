import { PodwireError } from '../base/errors/podwire-error.js'
import type { Sysctls } from './sysctl.js'

export interface FakeSysctls extends Sysctls {
  readonly values: ReadonlyMap<string, string>
}

/** Kernel parameters in memory: those of `initial` are there, others are not. */
export function createFakeSysctls(initial: Readonly<Record<string, string>>): FakeSysctls {
  const values = new Map(Object.entries(initial))
  const read = (key: string): string => {
    const value = values.get(key)
    if (value === undefined) throw new PodwireError('KERNEL_UNSUPPORTED', `this kernel has no parameter ${key}`)
    return value
  }
  return {
    values,
    read,
    ensure(key, value) {
      read(key)
      values.set(key, value)
    },
  }
}
