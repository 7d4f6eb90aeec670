import type { IpFamily } from '../base/net/address.js'
import type { TableContent } from '../kernel/nft-content.js'
import { chainPrefix, knownSet, setPrefix } from './render-iptables.js'

/** What leads from one content to another, in the order in which it is to be carried out. Empty texts are left out. */
export interface IptablesSteps {
  /** For `ipset restore`: what rules will refer to; addresses that are no longer known. */
  readonly setsBefore: string
  /** For `iptables-restore`: the chains that differ, in one transaction. */
  readonly rules: string
  /** For `ipset restore`: what nothing refers to any more; the addresses whose rules are now in. */
  readonly setsAfter: string
}

const most = 1_048_576

/** An address is let through when its rules are in, and closed before they go. */
export function planIptablesContent(held: TableContent, wanted: TableContent, family: IpFamily): IptablesSteps {
  const before: string[] = []
  const after: string[] = []
  const known = knownSet(family)
  for (const set of new Set([...held.sets.keys(), ...wanted.sets.keys()])) {
    const [was, is] = [held.sets.get(set), wanted.sets.get(set)]
    if (was?.definition === undefined && is?.definition !== undefined) before.push(`create ${set} ${is.definition} maxelem ${most}`)
    const isGone = was?.definition !== undefined && is?.definition === undefined
    const added = [...(is?.elements.keys() ?? [])].filter(each => !was?.elements.has(each)).map(each => `add ${set} ${each}`)
    const removed = [...(was?.elements.keys() ?? [])].filter(each => !is?.elements.has(each)).map(each => `del ${set} ${each}`)
    if (isGone) after.push(`destroy ${set}`)
    else if (set === known) {
      before.push(...removed)
      after.push(...added)
    } else {
      before.push(...added)
      // Who leaves goes before a set does.
      after.unshift(...removed)
    }
  }
  return { setsBefore: lines(before), rules: planRules(held.chains, wanted.chains), setsAfter: lines(after) }
}

function planRules(held: TableContent['chains'], wanted: TableContent['chains']): string {
  const gone = [...held].filter(([name]) => !wanted.has(name))
  const changed = [...wanted].filter(([name, { rules }]) => held.get(name)?.rules.join('\n') !== rules.join('\n') || !held.has(name))
  const hooked = [...wanted].filter(([name, { hook }]) => hook !== '' && held.get(name)?.hook !== hook)
  if (gone.length + changed.length + hooked.length === 0) return ''
  return lines([
    '*mangle',
    ...[...gone, ...changed].map(([name]) => `:${name} - [0:0]`),
    ...changed.flatMap(([name, { rules }]) => rules.map(rule => `-A ${name} ${rule}`)),
    ...hooked.map(([name, { hook }]) => `-I ${hook} 1 -j ${name}`),
    ...gone.filter(([, { hook }]) => hook !== '').map(([name, { hook }]) => `-D ${hook} -j ${name}`),
    ...gone.map(([name]) => `-X ${name}`),
    'COMMIT',
  ])
}

const lines = (all: readonly string[]): string => all.map(line => `${line}\n`).join('')

/** Our chains in what `iptables-save -t mangle` printed, with our sets in what `ipset save` printed. */
export function parseIptablesContent(rules: string, sets: string, family: IpFamily): TableContent {
  const chains = new Map<string, { hook: string; rules: string[] }>()
  for (const line of rules.split('\n')) {
    const [, declared] = /^:(\S+) /.exec(line) ?? []
    if (declared?.startsWith(chainPrefix)) chains.set(declared, { hook: '', rules: [] })
    const [, name = '', rule = ''] = /^-A (\S+) (.*)$/.exec(line) ?? []
    chains.get(name)?.rules.push(rule)
    const hooked = chains.get(/^-j (\S+)$/.exec(rule)?.[1] ?? '')
    if (hooked !== undefined && !name.startsWith(chainPrefix)) hooked.hook = name
  }
  const found = new Map<string, { kind: 'set'; definition: string; elements: Map<string, string> }>()
  for (const line of sets.split('\n')) {
    const [verb, name = '', ...rest] = line.split(' ')
    if (!name.startsWith(setPrefix(family))) continue
    if (verb === 'create') found.set(name, { kind: 'set', definition: rest.slice(0, 3).join(' '), elements: new Map() })
    if (verb === 'add') found.get(name)?.elements.set(rest[0] ?? '', '')
  }
  return { chains, sets: found }
}
