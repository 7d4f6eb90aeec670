import { PodwireError } from '../base/errors/podwire-error.js'
import type { Ipset } from './ipset.js'

interface FakeSet {
  readonly definition: string
  readonly entries: Set<string>
}

export interface FakeIpset extends Ipset {
  /** The entries of a set; undefined when there is none of that name. */
  readonly entries: (name: string) => readonly string[] | undefined
  /** Every text that `restore` was given, oldest first. */
  readonly restored: readonly string[]
}

/** IP sets in memory. It refuses what the kernel refuses, and stops there; `isUsed` says which sets rules refer to. */
export function createFakeIpset(isUsed: (name: string) => boolean = () => false): FakeIpset {
  const sets = new Map<string, FakeSet>()
  const restored: string[] = []

  function carryOut(line: string, refuse: (why: string) => never): void {
    const [, verb, name = '', rest = ''] = /^(create|add|del|flush|destroy) (\S+)(?: (.*))?$/.exec(line) ?? refuse('unknown command')
    const set = sets.get(name)
    if (verb === 'create') {
      if (set !== undefined) refuse('set with the same name already exists')
      if (name.length > longestName) refuse(`the name has more than ${longestName} characters`)
      sets.set(name, { definition: rest, entries: new Set() })
      return
    }
    const { entries } = set ?? refuse('the set with the given name does not exist')
    if (verb === 'add' && entries.has(rest)) refuse('it is already added')
    if (verb === 'del' && !entries.has(rest)) refuse('it is not added')
    if (verb === 'destroy' && isUsed(name)) refuse('it is in use by a kernel component')
    if (verb === 'add') entries.add(rest)
    if (verb === 'del') entries.delete(rest)
    if (verb === 'flush') entries.clear()
    if (verb === 'destroy') sets.delete(name)
  }

  return {
    entries: name => (sets.has(name) ? [...sets.get(name)!.entries] : undefined),
    restored,
    save: async () =>
      [...sets]
        .flatMap(([name, { definition, entries }]) => [
          `create ${name} ${definition}\n`,
          ...[...entries].map(entry => `add ${name} ${entry}\n`),
        ])
        .join(''),
    async restore(text) {
      restored.push(text)
      for (const [i, line] of text.split('\n').entries()) {
        if (line === '') continue
        carryOut(line, why => {
          throw new PodwireError('KERNEL_REFUSED', `fake ipset refused the sets: ${why}\n  line ${i + 1}: ${line}`)
        })
      }
    },
  }
}

const longestName = 31
