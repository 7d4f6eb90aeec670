import { PodwireError } from '../base/errors/podwire-error.js'
import type { Nftables } from './nftables.js'

interface Chain {
  readonly hook: string
  readonly rules: readonly string[]
}
interface FakeSet {
  readonly kind: 'set' | 'map'
  readonly definition: readonly string[]
  /** Values by key; of a set the values are empty. */
  readonly elements: ReadonlyMap<string, string>
}
interface Table {
  readonly chains: Map<string, Chain>
  readonly sets: Map<string, FakeSet>
}

export interface FakeNftables extends Nftables {
  /** Every text that `apply` was given, oldest first. */
  readonly applied: readonly string[]
}

/**
 * nf_tables in memory. It refuses what the kernel refuses: what is not there, a key that has another value, a jump to a chain or a look-up in a set
 * that does not exist, removing what is referred to; and a refused text changes nothing.
 *
 * It reads commands as our plans write them (one a line, elements on lines of their own) and keeps rules as given, so they must be written as nft prints them.
 */
export function fakeNftables(): FakeNftables {
  let tables = new Map<string, Table>()
  const applied: string[] = []
  return {
    applied,

    async list({ family, table }) {
      const found = tables.get(`${family} ${table}`)
      return found && print(`${family} ${table}`, found)
    },

    async apply(text) {
      applied.push(text)
      const next = new Map(
        [...tables].map(([name, { chains, sets }]): [string, Table] => [name, { chains: new Map(chains), sets: new Map(sets) }]),
      )
      for (const command of text.replace(/\{\n[^}]*\n\}/g, block => block.replaceAll('\n', ' ')).split(/\n(?=\w)/)) {
        if (command.trim() !== '') carryOut(next, command.trim())
      }
      for (const table of next.values()) checkReferences(table)
      tables = next
    },
  }
}

function refuse(why: string, command: string): never {
  throw new PodwireError('KERNEL_REFUSED', `fake nft refused the rules: ${why}\n  ${command}`)
}

function carryOut(tables: Map<string, Table>, command: string): void {
  const [, verb, object, name = '', rest = ''] =
    /^(add|flush|delete) (table|chain|rule|set|map|element) ((?:ip6?|inet) \S+) ?([\s\S]*)$/.exec(command) ?? []
  if (verb === undefined) refuse('syntax error', command)
  const missing = (): never => refuse('No such file or directory', command)
  if (object === 'table') {
    if (verb === 'add') tables.set(name, tables.get(name) ?? { chains: new Map(), sets: new Map() })
    else if (!tables.delete(name)) missing()
    return
  }
  const { chains, sets } = tables.get(name) ?? missing()
  const [, own = '', body = ''] = /^(\S+) ?([\s\S]*)$/.exec(rest) ?? []
  const block = /^\{([\s\S]*)\}$/.exec(body)?.[1]?.trim() ?? ''
  switch (`${verb} ${object}`) {
    case 'add chain':
      chains.set(own, chains.get(own) ?? { hook: block, rules: [] })
      return
    case 'flush chain':
      chains.set(own, { ...(chains.get(own) ?? missing()), rules: [] })
      return
    case 'delete chain':
      if (!chains.delete(own)) missing()
      return
    case 'add rule': {
      const chain = chains.get(own) ?? missing()
      chains.set(own, { ...chain, rules: [...chain.rules, body] })
      return
    }
    case 'add set':
    case 'add map':
      sets.set(own, sets.get(own) ?? { kind: object === 'map' ? 'map' : 'set', definition: split(block, ';'), elements: new Map() })
      return
    case 'delete set':
    case 'delete map':
      if (!sets.delete(own)) missing()
      return
    case 'add element':
    case 'delete element': {
      const set = sets.get(own) ?? missing()
      const elements = new Map(set.elements)
      for (const element of split(block, ',')) {
        const [key = '', value = ''] = element.split(' : ')
        const held = elements.get(key)
        if (verb === 'delete' && !elements.delete(key)) missing()
        if (verb === 'add' && held !== undefined && held !== value) refuse('File exists', command)
        if (verb === 'add') elements.set(key, value)
      }
      sets.set(own, { ...set, elements })
      return
    }
    default:
      refuse('syntax error', command)
  }
}

const split = (text: string, by: string): readonly string[] =>
  text
    .split(by)
    .map(part => part.trim())
    .filter(part => part !== '')

function checkReferences({ chains, sets }: Table): void {
  const verdicts = [...sets.values()].flatMap(({ elements }) => [...elements.values()])
  for (const text of [...[...chains.values()].flatMap(({ rules }) => rules), ...verdicts]) {
    const target = /\b(?:goto|jump) (\S+)/.exec(text)?.[1]
    if (target !== undefined && !chains.has(target)) refuse(`chain ${target} is referred to and not there`, text)
    for (const [, set = ''] of text.matchAll(/ @(\S+)/g)) if (!sets.has(set)) refuse(`set ${set} is referred to and not there`, text)
  }
}

function print(name: string, { chains, sets }: Table): string {
  const block = (head: string, lines: readonly string[]) => [`\t${head} {`, ...lines.map(line => `\t\t${line}`), '\t}', '']
  const elements = (of: ReadonlyMap<string, string>) =>
    of.size === 0
      ? []
      : [`elements = { ${[...of].map(([key, value]) => (value === '' ? key : `${key} : ${value}`)).join(',\n\t\t\t     ')} }`]
  return [
    `table ${name} {`,
    ...[...sets].flatMap(([set, { kind, definition, elements: of }]) => block(`${kind} ${set}`, [...definition, ...elements(of)])),
    ...[...chains].flatMap(([chain, { hook, rules }]) => block(`chain ${chain}`, [...(hook === '' ? [] : [hook]), ...rules])),
    '}\n',
  ].join('\n')
}
