import { PodwireError } from '../../src/base/errors/podwire-error.js'

/** The PodwireError that `act` throws; a test that expects one fails when there is none. */
export function refusalOf(act: () => unknown): PodwireError {
  try {
    act()
  } catch (error) {
    if (error instanceof PodwireError) return error
    throw error
  }
  throw new Error('nothing was refused')
}
