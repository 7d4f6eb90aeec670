import fc from 'fast-check'
import t from 'tap'
import type { JsonObject } from '../../../src/api/json.js'
import { applyStrategicMergePatch } from '../../../src/api/strategic-merge-patch.js'

const deployment = 'io.k8s.api.apps.v1.Deployment'
const pod = 'io.k8s.api.core.v1.Pod'
const service = 'io.k8s.api.core.v1.Service'

const cases: Record<string, { typePath?: string; document: JsonObject; patch: JsonObject; want: JsonObject }> = {
  'maps merge, null removes': {
    document: { metadata: { labels: { a: '1', b: '2' } } },
    patch: { metadata: { labels: { b: null, c: '3' } } },
    want: { metadata: { labels: { a: '1', c: '3' } } },
  },
  'containers merge by name, their ports by containerPort': {
    document: {
      spec: {
        containers: [
          { name: 'a', image: 'old', ports: [{ containerPort: 80 }] },
          { name: 'b', image: 'b' },
        ],
      },
    },
    patch: {
      spec: {
        containers: [
          { name: 'a', image: 'new', ports: [{ containerPort: 81 }] },
          { name: 'c', image: 'c' },
        ],
      },
    },
    want: {
      spec: {
        containers: [
          { name: 'a', image: 'new', ports: [{ containerPort: 80 }, { containerPort: 81 }] },
          { name: 'b', image: 'b' },
          { name: 'c', image: 'c' },
        ],
      },
    },
  },
  'a deeper type is found through references': {
    typePath: deployment,
    document: { spec: { template: { spec: { containers: [{ name: 'a', env: [{ name: 'X', value: '1' }] }] } } } },
    patch: { spec: { template: { spec: { containers: [{ name: 'a', env: [{ name: 'Y', value: '2' }] }] } } } },
    want: {
      spec: {
        template: {
          spec: {
            containers: [
              {
                name: 'a',
                env: [
                  { name: 'X', value: '1' },
                  { name: 'Y', value: '2' },
                ],
              },
            ],
          },
        },
      },
    },
  },
  'atomic lists are replaced': {
    document: { spec: { containers: [{ name: 'a', args: ['1', '2'] }] } },
    patch: { spec: { containers: [{ name: 'a', args: ['3'] }] } },
    want: { spec: { containers: [{ name: 'a', args: ['3'] }] } },
  },
  'finalizers merge as a set': {
    document: { metadata: { finalizers: ['a', 'b'] } },
    patch: { metadata: { finalizers: ['b', 'c'] } },
    want: { metadata: { finalizers: ['a', 'b', 'c'] } },
  },
  '$deleteFromPrimitiveList takes values away': {
    document: { metadata: { finalizers: ['a', 'b', 'c'] } },
    patch: { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'], finalizers: ['d'] } },
    want: { metadata: { finalizers: ['b', 'c', 'd'] } },
  },
  '$patch: delete removes one item': {
    document: { spec: { containers: [{ name: 'a' }, { name: 'b' }] } },
    patch: { spec: { containers: [{ name: 'a', $patch: 'delete' }] } },
    want: { spec: { containers: [{ name: 'b' }] } },
  },
  '$patch: replace in a list replaces the list': {
    document: { spec: { containers: [{ name: 'a' }, { name: 'b' }] } },
    patch: { spec: { containers: [{ name: 'c' }, { $patch: 'replace' }] } },
    want: { spec: { containers: [{ name: 'c' }] } },
  },
  '$patch: replace in a map replaces the map': {
    document: { metadata: { labels: { a: '1' } } },
    patch: { metadata: { labels: { $patch: 'replace', b: '2' } } },
    want: { metadata: { labels: { b: '2' } } },
  },
  '$patch: delete in a map empties it': {
    document: { metadata: { labels: { a: '1' } } },
    patch: { metadata: { labels: { $patch: 'delete' } } },
    want: { metadata: { labels: {} } },
  },
  '$retainKeys drops what the patch does not name': {
    typePath: deployment,
    document: { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } },
    patch: { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } },
    want: { spec: { strategy: { type: 'Recreate' } } },
  },
  '$retainKeys inside a merged list': {
    document: { spec: { volumes: [{ name: 'v', emptyDir: {} }] } },
    patch: { spec: { volumes: [{ name: 'v', $retainKeys: ['name', 'configMap'], configMap: { name: 'c' } }] } },
    want: { spec: { volumes: [{ name: 'v', configMap: { name: 'c' } }] } },
  },
  '$setElementOrder sorts; what only the server has keeps its place': {
    document: { spec: { containers: [{ name: 'server' }, { name: 'a' }, { name: 'b' }] } },
    patch: {
      spec: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'new' }, { name: 'a' }], containers: [{ name: 'new', image: 'n' }] },
    },
    want: { spec: { containers: [{ name: 'server' }, { name: 'b' }, { name: 'new', image: 'n' }, { name: 'a' }] } },
  },
  'directives and nulls do not survive where nothing was': {
    document: {},
    patch: {
      spec: { '$setElementOrder/containers': [{ name: 'a' }], containers: [{ name: 'a', image: null, env: [{ name: 'X', value: null }] }] },
    },
    want: { spec: { containers: [{ name: 'a', env: [{ name: 'X' }] }] } },
  },
  'ports of a Service merge by port': {
    typePath: service,
    document: { spec: { ports: [{ port: 80, targetPort: 8080 }, { port: 443 }] } },
    patch: { spec: { ports: [{ port: 80, targetPort: 'http' }] } },
    want: { spec: { ports: [{ port: 80, targetPort: 'http' }, { port: 443 }] } },
  },
  'a map of another type is replaced': {
    document: { spec: { hostname: 'x' } },
    patch: { spec: { hostname: { odd: true } } },
    want: { spec: { hostname: { odd: true } } },
  },
}

for (const [name, { typePath = pod, document, patch, want }] of Object.entries(cases)) {
  t.test(name, async t => {
    const before = structuredClone([document, patch])
    t.strictSame(applyStrategicMergePatch(document, patch, typePath), want)
    t.strictSame([document, patch], before, 'the arguments stay as they are')
  })
}

t.test('malformed directives are refused', async t => {
  const bad: JsonObject[] = [
    { spec: { $patch: 'explode' } },
    { spec: { $retainKeys: 'a' } },
    { spec: { $retainKeys: ['a'], hostname: 'x' } },
    { spec: { containers: [{ image: 'nameless' }] } },
    { spec: { containers: ['a'] } },
    { spec: { '$setElementOrder/containers': 'a', containers: [] } },
  ]
  for (const patch of bad) {
    t.throws(() => applyStrategicMergePatch({ spec: { containers: [] } }, patch, pod), { cause: { code: 400 } }, JSON.stringify(patch))
  }
})

const labels = fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.string(), { noNullPrototype: true })
const containers = fc.uniqueArray(
  fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), image: fc.string() }, { requiredKeys: ['name', 'image'] }),
  { selector: ({ name }) => name },
)
const podOf = fc
  .record({ metadata: fc.record({ labels }), spec: fc.record({ containers }) })
  .map(pod => structuredClone(pod)) as fc.Arbitrary<JsonObject & { spec: JsonObject }>

t.test('a document patched with itself, or twice with the same patch, stays', async () => {
  fc.assert(
    fc.property(podOf, podOf, (document, patch) => {
      t.strictSame(applyStrategicMergePatch(document, document, pod), document)
      const once = applyStrategicMergePatch(document, patch, pod)
      t.strictSame(applyStrategicMergePatch(once, patch, pod), once)
    }),
    { numRuns: 50 },
  )
})

t.test('an order that names everything is the order there is', async () => {
  fc.assert(
    fc.property(podOf, fc.shuffledSubarray(['a', 'b', 'c', 'd'], { minLength: 4 }), (document, order) => {
      const patch = { spec: { '$setElementOrder/containers': order.map(name => ({ name })) } }
      const patched = applyStrategicMergePatch(document, patch, pod) as { spec: { containers: { name: string }[] } }
      const names = patched.spec.containers.map(({ name }) => name)
      t.strictSame(
        names,
        order.filter(name => names.includes(name)),
      )
    }),
    { numRuns: 50 },
  )
})
