import { mergeContents, type TableContent } from '../kernel/nft-content.js'
import type {
  AddressGroup,
  LocalPod,
  NamedPortGroup,
  NetGroup,
  PolicyChain,
  PolicyNodeFacts,
  PolicyProfile,
  PolicyState,
  PortSet,
} from './policy-state.js'

/** How one backend writes each part of a state. No two parts share a chain, a set or an element. */
export interface StateRenderer {
  base(node: PolicyNodeFacts): TableContent
  /** What needs all profiles at once. */
  profiles(all: PolicyState['profiles']): TableContent
  profile(profile: PolicyProfile, labelOf: (chain: string) => string): TableContent
  pod(pod: LocalPod): TableContent
  chain(chain: PolicyChain, portSets: PolicyState['portSets']): TableContent
  group(group: AddressGroup): TableContent
  nets(nets: NetGroup): TableContent
  namedPorts(group: NamedPortGroup): TableContent
  portSet(set: PortSet): TableContent
}

interface Part {
  readonly of: (state: PolicyState) => ReadonlyMap<string, unknown>
  readonly render: (renderer: StateRenderer, state: PolicyState, key: string) => TableContent | undefined
}

const optional = <T>(value: T | undefined, render: (value: T) => TableContent): TableContent | undefined => value && render(value)

/** A part that is the same object in two states is the same in the kernel. */
const parts: readonly Part[] = [
  { of: ({ portSets }) => portSets, render: (by, { portSets }, key) => optional(portSets.get(key), by.portSet) },
  { of: ({ groups }) => groups, render: (by, { groups }, key) => optional(groups.get(key), by.group) },
  { of: ({ nets }) => nets, render: (by, { nets }, key) => optional(nets.get(key), by.nets) },
  { of: ({ namedPorts }) => namedPorts, render: (by, { namedPorts }, key) => optional(namedPorts.get(key), by.namedPorts) },
  { of: ({ chains }) => chains, render: (by, { chains, portSets }, key) => optional(chains.get(key), each => by.chain(each, portSets)) },
  {
    of: ({ profiles }) => profiles,
    render: (by, { profiles, chains }, key) => optional(profiles.get(key), each => by.profile(each, id => chains.get(id)?.policy ?? '')),
  },
  { of: ({ pods }) => pods, render: (by, { pods }, key) => optional(pods.get(key), by.pod) },
]

/** Everything of a state. */
export const wholeState = (by: StateRenderer, state: PolicyState): TableContent =>
  mergeContents([
    by.base(state.node),
    by.profiles(state.profiles),
    ...parts.flatMap(({ of, render }) => [...of(state).keys()].flatMap(key => render(by, state, key) ?? [])),
  ])

/** What differs between two states, as it is and as it is to be; all else is the same in both. */
export function changedParts(by: StateRenderer, before: PolicyState, desired: PolicyState) {
  const held: TableContent[] = []
  const wanted: TableContent[] = []
  if (before.node !== desired.node) {
    held.push(by.base(before.node))
    wanted.push(by.base(desired.node))
  }
  if (before.profiles !== desired.profiles) {
    held.push(by.profiles(before.profiles))
    wanted.push(by.profiles(desired.profiles))
  }
  for (const { of, render } of parts) {
    const [was, is] = [of(before), of(desired)]
    if (was === is) continue
    for (const key of new Set([...was.keys(), ...is.keys()])) {
      if (was.get(key) === is.get(key)) continue
      held.push(...[render(by, before, key)].filter(part => part !== undefined))
      wanted.push(...[render(by, desired, key)].filter(part => part !== undefined))
    }
  }
  return { held: mergeContents(held), wanted: mergeContents(wanted) }
}
