import type { Change } from '../base/net/path.js'
import { aliasOf, nodeOfBound } from './bind.js'
import type { ExpectedConntrack, ExpectedHeaders, ExpectedHop, ExpectedLeg, ExpectedPath, ForbiddenHop } from './expectation.js'
import type { ConntrackExpectation, HopExpectation, NeverExpectation, PathExpectation, See } from './flow-test-schema.js'
import type { FlowDocument } from './parse-flow-file.js'
import { boundAs, type RoleContext, resolvePlace, resolveValue } from './roles.js'

/** What the file itself says about paths, in values of this lab. */
export interface WrittenExpectation {
  readonly legs: readonly ExpectedLeg[]
  readonly never: readonly ForbiddenHop[]
  readonly conntrack: readonly ExpectedConntrack[]
}

/** Replaces every alias of a flow's expectations. Errors: CONFIG_INVALID and NOT_FOUND as `resolveValue`. */
export function resolveExpectation({ test, where }: FlowDocument, context: RoleContext): WrittenExpectation {
  const { path, reply, legs, strict, never, conntrack } = test.spec.expect
  const at = (...keys: readonly PropertyKey[]): string => where(['spec', 'expect', ...keys])
  const resolve = (expected: PathExpectation | undefined, ...keys: readonly PropertyKey[]): ExpectedPath | undefined =>
    expected?.map((hop, i) => (hop === '...' ? hop : resolveHop(hop, context, at(...keys, i))))
  const main =
    path || reply ? [{ name: 'flow', exchange: 0, path: resolve(path, 'path'), reply: resolve(reply, 'reply'), isStrict: strict }] : []
  const named = (legs ?? []).map((leg, i) => ({
    name: leg.name,
    exchange: i,
    path: resolve(leg.path, 'legs', i, 'path'),
    reply: resolve(leg.reply, 'legs', i, 'reply'),
    isStrict: strict,
  }))
  return {
    legs: [...main, ...named],
    never: never.map((each, i) => resolveNever(each, context, at('never', i))),
    conntrack: conntrack.map((each, i) => resolveConntrack(each, context, at('conntrack', i))),
  }
}

function resolveHop({ at, dir, see = {}, changed, why }: HopExpectation, context: RoleContext, where: string): ExpectedHop {
  const may = changed?.filter(change => change.endsWith('?')).map(change => change.slice(0, -1) as Change)
  const must = changed?.filter((change): change is Change => !change.endsWith('?'))
  return {
    at,
    place: resolvePlace(at, context),
    dir,
    see: resolveSee(see, context),
    changed: must && may && { must, may },
    why,
    isOptional: false,
    where,
  }
}

const resolveNever = ({ at, dir, see = {}, why }: NeverExpectation, context: RoleContext, where: string): ForbiddenHop => ({
  at,
  place: resolvePlace(at, context),
  dir,
  see: resolveSee(see, context),
  why,
  where,
})

function resolveSee({ outer, ...fields }: See, context: RoleContext): ExpectedHeaders {
  return { ...resolveFields(fields, context), ...(outer && { outer: resolveFields(outer, context) }) } as ExpectedHeaders
}

const resolveFields = (
  fields: Readonly<Record<string, string | number | undefined>>,
  context: RoleContext,
): Readonly<Record<string, string | number>> =>
  Object.fromEntries(Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, resolveValue(value, context)]])))

function resolveConntrack(
  { on, orig = {}, reply = {}, state, nat }: ConntrackExpectation,
  context: RoleContext,
  where: string,
): ExpectedConntrack {
  const bound = boundAs(aliasOf(on), context)
  return {
    on: nodeOfBound(bound) ?? (bound.kind === 'host' ? bound.key : ''),
    orig: resolveFields(orig, context) as ExpectedConntrack['orig'],
    reply: resolveFields(reply, context) as ExpectedConntrack['reply'],
    state,
    nat,
    where,
  }
}
