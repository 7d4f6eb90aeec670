import { flowTestJsonSchema } from './flow-test-schema.js'
import { matrixJsonSchema } from './matrix/matrix-schema.js'

type Schema = Readonly<Record<string, unknown>>

const text = (description: string) => ({ type: 'string', description })

/** The CustomResourceDefinition by which a cluster keeps FlowTests, made of the schema that flow files are read by. */
export const flowTestDefinition = (): object =>
  definitionOf({
    kind: 'FlowTest',
    shortName: 'ft',
    description: 'Packets between two places of the cluster, and the way that they must take.',
    schema: flowTestJsonSchema(),
    seen: {
      findings: {
        type: 'array',
        description: 'Everything that was found, in the order of the path.',
        items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
  })

/** The same of reachability matrices. */
export const matrixDefinition = (): object =>
  definitionOf({
    kind: 'ReachabilityMatrix',
    shortName: 'rm',
    description: 'Who reaches whom, as a table.',
    schema: matrixJsonSchema(),
    seen: {
      seen: {
        type: 'object',
        description: 'A row each: `.` got through, `X` did not, `#` was not asked.',
        additionalProperties: { type: 'string' },
      },
    },
  })

interface Kind {
  readonly kind: string
  readonly shortName: string
  readonly description: string
  readonly schema: Schema
  /** What its status holds besides the verdict. */
  readonly seen: Schema
}

function definitionOf({ kind, shortName, description, schema, seen }: Kind): object {
  const definitions = (schema.$defs ?? {}) as Readonly<Record<string, Schema>>
  const { spec } = schema.properties as Readonly<Record<string, Schema>>
  const singular = kind.toLowerCase()
  const plural = singular.endsWith('x') ? `${singular.slice(0, -2)}ices` : `${singular}s`
  const status = {
    type: 'object',
    description: 'What the last run has seen.',
    properties: {
      verdict: { ...text('Whether the packets took the way that the spec says.'), enum: ['pass', 'fail', 'skip', 'error', 'warn'] },
      message: text('What differs first, or why it could not be told.'),
      observedGeneration: { type: 'integer', format: 'int64', description: 'The generation of the spec that was run.' },
      startedAt: { ...text('When the run began.'), format: 'date-time' },
      ...seen,
    },
  }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.podwire.dev` },
    spec: {
      group: 'podwire.dev',
      scope: 'Namespaced',
      names: { plural, singular, kind, listKind: `${kind}List`, shortNames: [shortName] },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description,
              required: ['spec'],
              properties: { spec: structural(spec!, definitions), status },
            },
          },
          subresources: { status: {} },
          additionalPrinterColumns: [
            { name: 'Verdict', type: 'string', jsonPath: '.status.verdict', description: 'Of the last run' },
            { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1, description: 'What differs first' },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since the test was created' },
          ],
        },
      ],
    },
  }
}

const kept = ['description', 'enum', 'pattern', 'minLength', 'maxLength', 'minItems', 'maxItems', 'required', 'default'] as const
const scalars = ['string', 'integer', 'number', 'boolean']

/**
 * A JSON Schema as a structural one, which has no references and one type a place. Where several shapes are allowed, what they are is
 * left to whoever runs the test: `podwire flow` reads it by the whole schema.
 */
function structural(schema: Schema, definitions: Readonly<Record<string, Schema>>): Schema {
  if (typeof schema.$ref === 'string') {
    const { $ref, ...beside } = schema
    return structural({ ...definitions[schema.$ref.replace('#/$defs/', '')], ...beside }, definitions)
  }
  const choices = (schema.anyOf ?? schema.oneOf) as readonly Schema[] | undefined
  if (choices) return oneOf(choices.map(choice => structural(choice, definitions)))
  const result: Record<string, unknown> = {}
  for (const key of kept) if (schema[key] !== undefined) result[key] = schema[key]
  if (schema.const !== undefined) result.enum = [schema.const]
  if (scalars.includes(schema.type as string)) return { ...result, type: schema.type, ...boundsOf(schema) }
  if (schema.type === 'array') return { ...result, type: 'array', items: structural((schema.items ?? {}) as Schema, definitions) }
  if (schema.type !== 'object') return { 'x-kubernetes-preserve-unknown-fields': true }
  const properties = schema.properties as Readonly<Record<string, Schema>> | undefined
  if (properties) {
    const below = Object.entries(properties).map(([name, property]) => [name, structural(property, definitions)])
    return { ...result, type: 'object', properties: Object.fromEntries(below) }
  }
  const values = schema.additionalProperties
  if (typeof values === 'object' && values !== null) {
    return { ...result, type: 'object', additionalProperties: structural(values as Schema, definitions) }
  }
  return { ...result, type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
}

function oneOf(choices: readonly Schema[]): Schema {
  const types = new Set(choices.map(({ type, ...rest }) => type ?? (rest['x-kubernetes-int-or-string'] ? 'int-or-string' : undefined)))
  if (types.size === 1) {
    const [type] = types
    const words = choices.map(choice => choice.enum as readonly unknown[] | undefined)
    if (scalars.includes(type as string)) return { type, ...(words.every(Boolean) && { enum: words.flat() }) }
  }
  const isIntOrString = [...types].every(type => type === 'integer' || type === 'string' || type === 'int-or-string')
  return isIntOrString ? { 'x-kubernetes-int-or-string': true } : { 'x-kubernetes-preserve-unknown-fields': true }
}

/** Bounds as OpenAPI 3.0 has them: whether one is exclusive is said apart. The largest safe integer is JavaScript's, not ours. */
function boundsOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): Schema {
  const least = exclusiveMinimum ?? minimum
  const most = exclusiveMaximum ?? maximum
  const isReal = (bound: unknown): bound is number => typeof bound === 'number' && Math.abs(bound) < Number.MAX_SAFE_INTEGER
  return {
    ...(isReal(least) && { minimum: least, ...(exclusiveMinimum !== undefined && { exclusiveMinimum: true }) }),
    ...(isReal(most) && { maximum: most, ...(exclusiveMaximum !== undefined && { exclusiveMaximum: true }) }),
  }
}
