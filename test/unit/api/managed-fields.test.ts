import fc from 'fast-check'
import t from 'tap'

import { fieldChanges } from '../../../src/api/field-changes.js'
import { isEmptySet } from '../../../src/api/field-set.js'
import type { ManagedFieldsEntry } from '../../../src/api/generated/types.js'
import { isJsonObject, type JsonObject, type JsonValue, jsonEqual } from '../../../src/api/json.js'
import { applyConfiguration, conflictMessage, fieldsAfterUpdate, isManagedFields } from '../../../src/api/managed-fields.js'

const schema = { ref: 'io.k8s.api.apps.v1.Deployment' }
const deployment = (spec: JsonObject, metadata: JsonObject = {}): JsonObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', ...metadata },
  spec,
})
const containers = (...items: JsonObject[]): JsonObject => ({ template: { spec: { containers: items } } })
const writer = (manager: string, subresource?: string) => ({ manager, apiVersion: 'apps/v1', subresource, time: '2026-01-01T00:00:00Z' })

interface State {
  readonly live: JsonObject | undefined
  readonly entries: readonly ManagedFieldsEntry[]
}

function apply(state: State, manager: string, config: JsonObject, force = false) {
  const result = applyConfiguration({ ...state, config, schema, writer: writer(manager), force, ignored: ['status'] })
  return { ...result, live: result.object }
}

function update({ live, entries }: State, manager: string, after: JsonObject): State {
  return { live: after, entries: fieldsAfterUpdate({ before: live, after, schema, entries, writer: writer(manager) }) }
}

const nothing: State = { live: undefined, entries: [] }
const fieldsOf = ({ entries }: State, manager: string): unknown => entries.find(entry => entry.manager === manager)?.fieldsV1

t.test('an applier owns what it names, and gives up what it names no more', async t => {
  const first = apply(nothing, 'one', deployment({ replicas: 1, paused: true }, { labels: { a: '1' } }))
  t.strictSame(fieldsOf(first, 'one'), { 'f:metadata': { 'f:labels': { 'f:a': {} } }, 'f:spec': { 'f:paused': {}, 'f:replicas': {} } })
  const second = apply(first, 'one', deployment({ replicas: 1 }))
  t.strictSame(second.live, deployment({ replicas: 1 }), 'what nobody owns is removed')
  t.strictSame(fieldsOf(second, 'one'), { 'f:spec': { 'f:replicas': {} } })
})

t.test('a field of two owners stays when one gives it up', async t => {
  const one = apply(nothing, 'one', deployment({ replicas: 1 }))
  const both = apply(one, 'two', deployment({ replicas: 1 }))
  t.strictSame(both.conflicts, [], 'the same value is no conflict')
  t.strictSame(apply(both, 'one', deployment({})).live.spec, { replicas: 1 })
})

t.test('conflicts name manager and field; force takes over', async t => {
  const one = apply(nothing, 'one', deployment({ replicas: 1, ...containers({ name: 'c', image: 'a' }) }))
  const changed = update(one, 'kubectl-edit', deployment({ replicas: 2, ...containers({ name: 'c', image: 'a' }) }))
  t.strictSame(fieldsOf(changed, 'kubectl-edit'), { 'f:spec': { 'f:replicas': {} } })
  const { conflicts } = apply(changed, 'two', deployment({ replicas: 3, ...containers({ name: 'c', image: 'b' }) }))
  t.strictSame(conflicts, [
    { manager: '"one"', field: '.spec.template.spec.containers[name="c"].image' },
    { manager: '"kubectl-edit" using apps/v1', field: '.spec.replicas' },
  ])
  t.equal(
    conflictMessage(conflicts),
    'Apply failed with 2 conflicts: conflicts with "kubectl-edit" using apps/v1:\n- .spec.replicas\nconflicts with "one":\n- .spec.template.spec.containers[name="c"].image',
  )
  t.equal(conflictMessage(conflicts.slice(1)), 'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas')
  const forced = apply(changed, 'two', deployment({ replicas: 3 }), true)
  t.strictSame([forced.conflicts, (forced.live.spec as JsonObject).replicas], [[], 3])
  t.equal(fieldsOf(forced, 'kubectl-edit'), undefined, 'an entry without fields goes')
})

t.test('items of lists belong to whoever names them', async t => {
  const one = apply(nothing, 'one', deployment(containers({ name: 'a', image: 'x' }, { name: 'b', image: 'x' })))
  const two = apply(one, 'two', deployment(containers({ name: 'c', image: 'y' })))
  t.strictSame(two.live.spec, containers({ name: 'a', image: 'x' }, { name: 'b', image: 'x' }, { name: 'c', image: 'y' }))
  const fewer = apply(two, 'one', deployment(containers({ name: 'b', image: 'x' })))
  t.strictSame(fewer.live.spec, containers({ name: 'b', image: 'x' }, { name: 'c', image: 'y' }))
})

t.test('a port without its protocol is the TCP one', async t => {
  const one = apply(nothing, 'one', deployment(containers({ name: 'a', ports: [{ containerPort: 80 }] })))
  const defaulted = deployment(containers({ name: 'a', ports: [{ containerPort: 80, protocol: 'TCP' }] }))
  const again = apply(
    { ...one, live: defaulted },
    'one',
    deployment(containers({ name: 'a', ports: [{ containerPort: 80, name: 'web' }] })),
  )
  t.strictSame(again.live.spec, containers({ name: 'a', ports: [{ containerPort: 80, protocol: 'TCP', name: 'web' }] }))
})

t.test('an object that nobody tracked belongs to before-first-apply', async t => {
  const live = deployment({ replicas: 1 })
  t.strictSame(update({ live, entries: [] }, 'x', deployment({ replicas: 2 })).entries, [])
  t.match(apply({ live, entries: [] }, 'one', deployment({ replicas: 2 })).conflicts, [{ manager: '"before-first-apply" using apps/v1' }])
})

t.test('kubectl may take over what it applied on its own side', async t => {
  const annotations = (spec: JsonObject) => ({ 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(deployment(spec)) })
  const live = deployment({ replicas: 1 }, { annotations: annotations({ replicas: 1 }) })
  const created = update(nothing, 'kubectl-client-side-apply', live)
  t.equal(apply(created, 'other', deployment({ replicas: 2 })).conflicts.length, 1)
  const taken = apply(created, 'kubectl', deployment({ replicas: 2 }))
  t.strictSame(taken.conflicts, [])
  const text = (taken.live.metadata as { annotations: Record<string, string> }).annotations
  t.match(text['kubectl.kubernetes.io/last-applied-configuration'], /"replicas":2/, 'client-side apply can go on')
})

t.test('managers that update become one beyond ten', async t => {
  let state: State = update(nothing, 'm0', deployment({}, { labels: { l0: '0' } }))
  for (let i = 1; i < 15; i++) {
    const labels = Object.fromEntries(Array.from({ length: i + 1 }, (_, n) => [`l${n}`, String(n)]))
    state = update(state, `m${i}`, deployment({}, { labels }))
  }
  t.equal(state.entries.length, 10)
  t.ok(fieldsOf(state, 'ancient-changes'))
})

t.test('what a client hands in is checked', async t => {
  t.ok(isManagedFields(update(nothing, 'one', deployment({ replicas: 1 })).entries))
  t.notOk(isManagedFields([{ manager: 'x', operation: 'Other' }]))
  t.notOk(isManagedFields([{ manager: 'x', operation: 'Apply', fieldsV1: { wrong: {} } }]))
})

const label = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('1', '2'))
const anyDeployment = fc
  .record({
    labels: label,
    replicas: fc.option(fc.nat(3), { nil: undefined }),
    containers: fc.uniqueArray(fc.record({ name: fc.constantFrom('x', 'y', 'z'), image: fc.constantFrom('i', 'j') }), {
      selector: ({ name }) => name,
      maxLength: 3,
    }),
    finalizers: fc.uniqueArray(fc.constantFrom('e/a', 'e/b')),
  })
  .map(({ labels, replicas, containers: items, finalizers }) =>
    deployment({ ...(replicas !== undefined && { replicas }), ...containers(...items) }, { labels, finalizers }),
  )

/** Lists and maps that are empty may stay or go: nobody owns them. */
const withoutEmpty = (value: JsonValue): JsonValue => {
  if (Array.isArray(value)) return value.map(withoutEmpty)
  if (!isJsonObject(value)) return value
  const kept = Object.entries(value).map(([key, item]) => [key, withoutEmpty(item)] as const)
  return Object.fromEntries(kept.filter(([, item]) => typeof item !== 'object' || item === null || Object.keys(item).length > 0))
}

t.test('whatever is applied', async t => {
  fc.assert(
    fc.property(anyDeployment, anyDeployment, (live, config) => {
      const before = update(nothing, 'other', live)
      const first = apply(before, 'me', config, true)
      const again = apply(first, 'me', config)
      return (
        JSON.stringify(again.live) === JSON.stringify(first.live) &&
        JSON.stringify(again.entries) === JSON.stringify(first.entries) &&
        again.conflicts.length === 0
      )
    }),
    { verbose: true },
  )
  fc.assert(
    fc.property(anyDeployment, anyDeployment, (a, b) => {
      const own = apply(apply(nothing, 'me', a), 'me', b)
      const fresh = apply(nothing, 'me', b)
      return jsonEqual(withoutEmpty(own.live), withoutEmpty(fresh.live))
    }),
  )
  fc.assert(fc.property(anyDeployment, value => isEmptySet(fieldChanges(value, structuredClone(value), schema).written)))
  fc.assert(
    fc.property(anyDeployment, anyDeployment, (live, config) => {
      const taken = apply(update(nothing, 'other', live), 'me', config, true)
      return isEmptySet(fieldChanges(config, taken.live, schema).removed)
    }),
  )
  t.pass()
})
