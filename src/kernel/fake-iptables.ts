import { PodwireError } from '../base/errors/podwire-error.js'
import type { Iptables, IptablesTable } from './iptables.js'

const builtInChains: Readonly<Record<IptablesTable, readonly string[]>> = {
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  raw: ['PREROUTING', 'OUTPUT'],
}
const extensionTargets = new Set([
  'ACCEPT',
  'DROP',
  'RETURN',
  'REJECT',
  'MARK',
  'MASQUERADE',
  'DNAT',
  'SNAT',
  'LOG',
  'CT',
  'NFLOG',
  'TRACE',
])

/** Rules by chain, as written after `-A CHAIN `. */
export type FakeTable = ReadonlyMap<string, readonly string[]>

export interface FakeIptables extends Iptables {
  readonly table: (name: IptablesTable) => FakeTable
  /** Every text that `restore` was given, oldest first. */
  readonly restored: readonly string[]
}

/**
 * iptables in memory. It refuses what the kernel refuses: rules in or jumps to chains that do not exist, deleting what is not there,
 * removing a chain that has rules or is jumped to; and a refused section leaves its table as it was.
 * It keeps the text of rules as given, so rules must be written as `iptables-save` prints them.
 */
export function fakeIptables(): FakeIptables {
  const tables = new Map<IptablesTable, Map<string, string[]>>()
  const restored: string[] = []
  const table = (name: IptablesTable): Map<string, string[]> => tables.get(name) ?? new Map(builtInChains[name].map(chain => [chain, []]))

  return {
    table,
    restored,

    async save(name) {
      const chains = [...table(name)]
      return [
        `*${name}`,
        ...chains.map(([chain]) => `:${chain} ${builtInChains[name].includes(chain) ? 'ACCEPT' : '-'} [0:0]`),
        ...chains.flatMap(([chain, rules]) => rules.map(rule => `-A ${chain} ${rule}`)),
        'COMMIT\n',
      ].join('\n')
    },

    hasChain: async (name, chain) => table(name).has(chain),

    async restore(text) {
      restored.push(text)
      let section: { readonly name: IptablesTable; readonly chains: Map<string, string[]> } | undefined
      for (const [i, line] of text.split('\n').entries()) {
        const refuse = (why: string): never => {
          throw new PodwireError('KERNEL_REFUSED', `fake iptables refused the rules: ${why}\n  line ${i + 1}: ${line}`)
        }
        if (line === '' || line.startsWith('#')) continue
        if (line.startsWith('*')) {
          const name = line.slice(1)
          if (!isTable(name)) refuse('no such table')
          else section = { name, chains: new Map([...table(name)].map(([chain, rules]) => [chain, [...rules]])) }
        } else if (section === undefined) refuse('a line outside a table')
        else if (line === 'COMMIT') {
          const dangling = danglingJump(section.chains)
          if (dangling !== undefined) refuse(`chain ${dangling} is still jumped to`)
          tables.set(section.name, section.chains)
          section = undefined
        } else change(section.chains, builtInChains[section.name], line, refuse)
      }
    },
  }
}

const isTable = (name: string): name is IptablesTable => Object.hasOwn(builtInChains, name)

function change(chains: Map<string, string[]>, builtIn: readonly string[], line: string, refuse: (why: string) => never): void {
  const declared = /^:(\S+) (\S+)/.exec(line)
  if (declared !== null) {
    chains.set(declared[1]!, [])
    return
  }
  const [, verb, chain = '', rule = ''] = /^-([AIDX]) (\S+)(?: (.*))?$/.exec(line) ?? refuse('bad argument')
  const rules = chains.get(chain) ?? refuse('no chain by that name')
  const target = targetOf(rule)
  if (target !== undefined && !extensionTargets.has(target) && !chains.has(target)) refuse(`chain ${target} does not exist`)
  if (verb === 'A') rules.push(rule)
  if (verb === 'I') rules.unshift(rule)
  if (verb === 'D') {
    const at = rules.indexOf(rule)
    if (at < 0) refuse('no such rule')
    rules.splice(at, 1)
  }
  if (verb === 'X') {
    if (builtIn.includes(chain)) refuse('a built-in chain cannot be removed')
    if (rules.length > 0) refuse('the chain has rules')
    chains.delete(chain)
  }
}

const targetOf = (rule: string): string | undefined => /(?:^| )-j (\S+)/.exec(rule)?.[1]

function danglingJump(chains: ReadonlyMap<string, readonly string[]>): string | undefined {
  for (const rules of chains.values()) {
    for (const rule of rules) {
      const target = targetOf(rule)
      if (target !== undefined && !extensionTargets.has(target) && !chains.has(target)) return target
    }
  }
  return undefined
}
