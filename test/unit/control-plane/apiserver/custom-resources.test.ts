import { readdirSync } from 'node:fs'
import t, { type Test } from 'tap'

import { apiRequest } from '../../../support/api-request.js'
import { type TestApiServer, withApiServer } from '../../../support/api-server.js'
import { bindKubectl, findKubectls } from '../../../support/kubectl.js'

const version = (name: string, more: object, spec: object): object => ({
  name,
  served: true,
  storage: false,
  schema: {
    openAPIV3Schema: {
      type: 'object',
      description: 'A lamp.',
      properties: {
        spec,
        status: {
          type: 'object',
          properties: { lit: { type: 'boolean' }, watts: { type: 'integer' }, replicas: { type: 'integer' }, selector: { type: 'string' } },
        },
      },
    },
  },
  ...more,
})

const lampSpec = {
  type: 'object',
  required: ['colour'],
  properties: {
    colour: { type: 'string', enum: ['red', 'green'], description: 'What light it gives.' },
    watts: { type: 'integer', minimum: 1, maximum: 100, default: 40 },
    name: { type: 'string', pattern: '^[a-z]+$' },
    port: { 'x-kubernetes-int-or-string': true },
    replicas: { type: 'integer' },
    tags: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
    shades: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['side'],
      items: { type: 'object', required: ['side'], properties: { side: { type: 'string' }, cloth: { type: 'string', default: 'linen' } } },
    },
    free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  },
}

const lamps = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'lamps.light.example' },
  spec: {
    group: 'light.example',
    scope: 'Namespaced',
    names: { plural: 'lamps', kind: 'Lamp', shortNames: ['lp'], categories: ['all', 'bright'] },
    versions: [
      version('v1beta1', { deprecated: true }, lampSpec),
      version(
        'v1',
        {
          storage: true,
          subresources: {
            status: {},
            scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' },
          },
          selectableFields: [{ jsonPath: '.spec.colour' }],
          additionalPrinterColumns: [
            { name: 'Colour', type: 'string', jsonPath: '.spec.colour' },
            { name: 'Watts', type: 'integer', jsonPath: '.spec.watts' },
            { name: 'Sides', type: 'string', jsonPath: '.spec.shades[*].side', priority: 1 },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
        },
        lampSpec,
      ),
    ],
  },
}

const lamp = (name: string, spec: object, apiVersion = 'light.example/v1') =>
  JSON.stringify({ apiVersion, kind: 'Lamp', metadata: { name }, spec })

const squeezed = (text: string): string => text.replace(/ +/g, ' ').replace(/ $/gm, '')

async function drive(t: Test, api: TestApiServer, file: string, minor: number): Promise<void> {
  const kubectl = bindKubectl({ file, version: '' }, api.kubeconfig)
  const ok = async (args: string, input?: string): Promise<string> => {
    const { code, stdout, stderr } = await kubectl.run(args.split(' '), input)
    t.equal(code, 0, `kubectl ${args}: ${stderr}`)
    return stdout
  }
  const refused = async (args: string, input?: string): Promise<string> => {
    const { code, stderr } = await kubectl.run(args.split(' '), input)
    t.not(code, 0, `kubectl ${args} fails`)
    return stderr
  }

  t.match(await ok('apply -f -', JSON.stringify(lamps)), 'lamps.light.example created')
  await ok('wait --for=condition=Established crd/lamps.light.example --timeout=20s')
  t.match(squeezed(await ok('api-resources --api-group=light.example')), /lamps lp light\.example\/v1 true Lamp/)
  t.match(await ok('api-versions'), /^light\.example\/v1$/m)

  t.equal(
    await ok('apply -f -', lamp('one', { colour: 'red', tags: ['a'], shades: [{ side: 'left' }] })),
    'lamp.light.example/one created\n',
  )
  t.equal(
    await ok('apply -f -', lamp('one', { colour: 'green', tags: ['a'], shades: [{ side: 'left' }] })),
    'lamp.light.example/one configured\n',
  )
  t.equal(await ok('get lp one -o jsonpath={.spec.watts}/{.spec.shades[0].cloth}/{.metadata.generation}'), '40/linen/2')
  t.match(squeezed(await ok('get lamps')), /^NAME COLOUR WATTS AGE\none green 40 \d+s\n$/)
  t.match(squeezed(await ok('get lamps -o wide')), /^NAME COLOUR WATTS SIDES AGE\none green 40 left \d+s\n$/)
  t.match(await ok('get all'), 'lamp.light.example/one')
  t.equal(await ok('get lamps --field-selector spec.colour=green -o name'), 'lamp.light.example/one\n')
  t.equal(await ok('get lamps --field-selector spec.colour=red -o name'), '')
  t.match(await ok('describe lamp one'), /Colour:\s+green/)
  t.match(await ok('explain lamp.spec'), /colour\s+<string>/)
  t.match(await ok('explain lamp.spec.colour'), 'What light it gives.')
  t.match(await ok('explain lamp --recursive'), /watts\s+<integer>/)

  // What the schema refuses, in upstream's words.
  t.match(
    await refused('apply -f -', lamp('two', { colour: 'blue', watts: 0, name: 'A1', tags: ['x', 'x'] })),
    /The Lamp "two" is invalid: /,
  )
  t.match(
    await refused('create --validate=false -f -', lamp('two', { colour: 'blue', watts: 0 })),
    /\* spec\.colour: Unsupported value: "blue": supported values: "red", "green"\n\* spec\.watts: Invalid value: 0: spec\.watts in body should be greater than or equal to 1/,
  )
  t.match(
    await refused('apply --validate=false -f -', lamp('two', { watts: 'many' })),
    /spec\.watts in body must be of type integer: "string"/,
  )
  t.match(
    await refused('apply --validate=strict -f -', lamp('two', { colour: 'red', colr: 'x' })),
    minor < 27 ? /colr/ : /unknown field "spec\.colr"/,
  )
  t.match(
    await ok('apply --server-side -f -', lamp('three', { colour: 'red', free: { any: [1] }, port: 'http' })),
    'lamp.light.example/three serverside-applied',
  )
  t.match(
    await refused('apply --server-side --field-manager=other -f -', lamp('three', { colour: 'green' })),
    /conflict with "kubectl": \.spec\.colour/,
  )
  t.match(await ok('apply --server-side --field-manager=other -f -', lamp('three', { colour: 'red', tags: ['t'] })), 'serverside-applied')
  t.equal(await ok('get lamp three -o jsonpath={.spec.free.any[0]}{.spec.tags[0]}'), '1t')

  await ok('patch lamp one --type=merge -p {"spec":{"watts":60}}')
  t.match(await refused('patch lamp one -p {"spec":{"watts":60}}'), /unsupported|UnsupportedMediaType|unknown format/i)
  await ok('patch lamp one --type=json -p [{"op":"replace","path":"/spec/watts","value":61}]')
  await ok('label lamp one room=hall')
  t.equal(await ok('get lamps -l room=hall -o jsonpath={.items[0].spec.watts}'), '61')
  if (minor >= 27) {
    await ok('patch lamp one --subresource=status --type=merge -p {"status":{"lit":true,"watts":1,"replicas":2,"selector":"a=b"}}')
    t.equal(await ok('get lamp one -o jsonpath={.status.lit}/{.metadata.generation}'), 'true/4')
    t.match(
      await refused('patch lamp one --subresource=status --type=merge -p {"status":{"lit":1}}'),
      /status\.lit in body must be of type boolean: "integer"/,
    )
    await ok('scale lamp one --replicas=3')
    t.match(JSON.parse(await ok('get --raw /apis/light.example/v1/namespaces/default/lamps/one/scale')), {
      spec: { replicas: 3 },
      status: { replicas: 2, selector: 'a=b' },
    })
  }

  // Another version of the same object, and what its readers are told.
  const old = await kubectl.run(['get', 'lamps.v1beta1.light.example', 'one', '-o', 'yaml'])
  t.match(old.stdout, /^apiVersion: light\.example\/v1beta1$/m)
  t.match(old.stderr, 'Warning: light.example/v1beta1 Lamp is deprecated; use light.example/v1 Lamp')

  // Names that are taken are not taken again.
  const rival = {
    ...lamps,
    metadata: { name: 'lampions.light.example' },
    spec: { ...lamps.spec, names: { plural: 'lampions', kind: 'Lampion', shortNames: ['lp'] } },
  }
  await ok('create -f -', JSON.stringify(rival))
  await ok('wait --for=condition=NamesAccepted=false crd/lampions.light.example --timeout=20s')
  t.match(await refused('get lampions'), /the server doesn't have a resource type "lampions"/)
  await ok('delete crd lampions.light.example')

  // The definition goes after its objects.
  await ok('patch lamp one --type=merge -p {"metadata":{"finalizers":["example.com/hold"]}}')
  await ok('delete crd lamps.light.example --wait=false')
  await ok('wait --for=condition=Terminating crd/lamps.light.example --timeout=20s')
  t.match(await refused('create -f -', lamp('late', { colour: 'red' })), /create|MethodNotAllowed|not allow/)
  await ok('patch lamp one --type=merge -p {"metadata":{"finalizers":[]}}')
  await ok('wait --for=delete crd/lamps.light.example --timeout=20s')
  t.match(await refused('get lamps'), /could not find the requested resource|doesn't have a resource type/) // As kubectl's copy of discovery is old or new.
  kubectl.dispose()
}

const all = await findKubectls()
for (const { file, version } of [all[0]!, all.at(-1)!]) {
  t.test(`custom resources, through kubectl ${version}`, t => withApiServer(t, api => drive(t, api, file, Number(version.split('.')[1]))))
}

t.test('definitions that are none', t =>
  withApiServer(t, async api => {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    const schema = {
      type: 'object',
      properties: { a: {}, b: { type: 'array' }, c: { type: 'string', default: 1 }, d: { type: 'string', pattern: '(' } },
    }
    const { versions: _, ...rest } = lamps.spec
    const body = {
      ...lamps,
      metadata: { name: 'other.light.example' },
      spec: { ...rest, versions: [{ name: 'v1', served: true, storage: false, schema: { openAPIV3Schema: schema } }] },
    }
    const answer = await apiRequest(api, path, { method: 'POST', body })
    t.equal(answer.status, 422)
    const at = 'spec.versions[0].schema.openAPIV3Schema.properties'
    t.same(
      answer.json.details.causes.map(({ field, message }: { field: string; message: string }) => `${field}: ${message}`),
      [
        'metadata.name: Invalid value: "other.light.example": must be spec.names.plural+"."+spec.group',
        'spec.versions: Invalid value: ["v1"]: must have exactly one version marked as storage version',
        `${at}[a].type: Required value: must not be empty for specified object fields`,
        `${at}[b].items: Required value: must be specified`,
        `${at}[c].default: Invalid value: "integer": ${at}[c].default in body must be of type string: "integer"`,
        `${at}[d].pattern: Invalid value: "(": must be a valid regular expression, but isn't`,
      ],
    )
  }),
)

t.test('FlowTests are kept by the cluster', t =>
  withApiServer(t, async api => {
    const kubectl = bindKubectl(all.at(-1)!, api.kubeconfig)
    t.teardown(() => kubectl.dispose())
    const run = async (...args: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await kubectl.run(args)
      t.equal(code, 0, stderr)
      return stdout
    }
    await run('apply', '-f', 'manifests/flow-tests.yaml')
    await run('wait', '--for=condition=Established', 'crd/flowtests.podwire.dev', '--timeout=20s')
    const files = readdirSync('flows').filter(file => file.endsWith('.flow.yaml'))
    await run('apply', '--validate=warn', ...files.flatMap(file => ['-f', `flows/${file}`]))
    const names = (await run('get', 'ft', '-o', 'name')).trim().split('\n')
    t.ok(names.length >= files.length)
    const [name = ''] = names
    await run('patch', name, '--subresource=status', '--type=merge', '-p', '{"status":{"verdict":"pass"}}')
    t.match(squeezed(await run('get', name)), /^NAME VERDICT AGE\n\S+ pass \d+s\n$/)
    t.match(await run('explain', 'flowtest.spec.send'), /FIELDS?:/)
    const { stderr } = await kubectl.run(['patch', name, '--subresource=status', '--type=merge', '-p', '{"status":{"verdict":"maybe"}}'])
    t.match(stderr, /status\.verdict: Unsupported value: "maybe": supported values: "pass", "fail", "skip", "error", "warn"/)
  }),
)
