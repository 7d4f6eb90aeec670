import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'

import { PodwireError } from '../base/errors/podwire-error.js'
import { findConflicts } from './lab-conflicts.js'
import { LabShape } from './lab-shape.js'
import { LabSpec, labJsonSchema } from './lab-spec.js'
import { nearestWord } from './nearest-word.js'

interface Problem {
  readonly offset: number
  readonly text: string
}

/** Reads a lab file, or throws one CONFIG_INVALID that lists every problem with its line and column. An empty file is the default lab. */
export function parseLab(text: string, file: string): LabSpec {
  const lineCounter = new LineCounter()
  const doc = parseDocument(text, { lineCounter })
  const problems = doc.errors.length > 0 ? doc.errors.map(syntaxProblem) : valueProblems(doc)
  if (problems.length === 0) return LabSpec.parse(doc.toJS() ?? {})
  const list = [...problems]
    .sort((a, b) => a.offset - b.offset)
    .map(({ offset, text }) => {
      const { line, col } = lineCounter.linePos(offset)
      return `  ${file}:${line}:${col} ${text}`
    })
  throw new PodwireError('CONFIG_INVALID', `${file} is not a valid lab:\n${list.join('\n')}`, {
    hint: 'schemas/lab.schema.json has every key; examples/ has complete files.',
  })
}

const syntaxProblem = ({ pos, message }: { readonly pos: readonly number[]; readonly message: string }): Problem => ({
  offset: pos[0]!,
  text: message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, ''),
})

/** What the schema refuses, and the conflicts among the parts that it accepts. */
function valueProblems(doc: Document): readonly Problem[] {
  let value: unknown
  try {
    value = doc.toJS() ?? {}
  } catch (error) {
    // The parser refuses aliases that lead nowhere, or that unfold to far more than the file holds.
    return [{ offset: 0, text: error instanceof Error ? error.message : String(error) }]
  }
  const issues = (LabShape.safeParse(value).error?.issues ?? []).flatMap(chooseBranch)
  const conflicts = typeof value === 'object' && !Array.isArray(value) ? findConflicts(validParts(value as Record<string, unknown>)) : []
  return [
    ...issues.flatMap(issue => issueProblems(doc, issue)),
    ...conflicts.map(({ path: first, otherPath, message }) => {
      const path = otherPath !== undefined && !doc.hasIn(first) ? otherPath : first
      return { offset: offsetOf(doc, path), text: `${z.core.toDotPath(path)}: ${message}` }
    }),
  ]
}

function validParts(value: Readonly<Record<string, unknown>>): Partial<LabSpec> {
  const parts = Object.entries(LabShape.shape).flatMap(([key, schema]) => {
    const { success, data } = schema.safeParse(value[key])
    return success ? [[key, data]] : []
  })
  return Object.fromEntries(parts) as Partial<LabSpec>
}

/** Of a value that may have several forms, the problems of the form that the writer meant: the one that fits deepest. */
function chooseBranch(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const fits = issue.errors.find(branch => branch.every(({ path, code }) => path.length > 0 || code !== 'invalid_type'))
  if (!fits) return [issue]
  return fits.map(inner => ({ ...inner, path: [...issue.path, ...inner.path] }) as z.core.$ZodIssue).flatMap(chooseBranch)
}

function issueProblems(doc: Document, issue: z.core.$ZodIssue): readonly Problem[] {
  const at = issue.path.length > 0 ? `${z.core.toDotPath(issue.path)}: ` : ''
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(issue.path)
    return issue.keys.map(key => {
      const nearest = nearestWord(key, known)
      const advice = nearest === undefined ? `known are ${known.join(', ')}` : `did you mean ${nearest}?`
      return { offset: offsetOfKey(doc, issue.path, key), text: `${at}unknown key ${key}; ${advice}` }
    })
  }
  if (issue.code === 'invalid_key') {
    const key = String(issue.path.at(-1))
    const text = `${z.core.toDotPath(issue.path)}: ${issue.issues.map(({ message }) => message).join('; ')}`
    return [{ offset: offsetOfKey(doc, issue.path.slice(0, -1), key), text }]
  }
  const isMissing = issue.code === 'invalid_type' && issue.path.length > 0 && !doc.hasIn(issue.path)
  return [{ offset: offsetOf(doc, issue.path), text: `${at}${isMissing ? 'is missing' : issue.message}` }]
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
}

/** The keys that the schema knows at `path`. */
function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  let at: readonly JsonSchema[] = [labJsonSchema() as JsonSchema]
  for (const step of path) {
    at = at
      .flatMap(schema => [schema, ...(schema.anyOf ?? [])])
      .flatMap(schema => (typeof step === 'number' ? (schema.items ?? []) : (schema.properties?.[String(step)] ?? [])))
  }
  return at.flatMap(schema => Object.keys(schema.properties ?? {}))
}

/** Where in the text the value at `path` stands; a missing value is reported at what should hold it. */
function offsetOf(doc: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length >= 0; length--) {
    const node = doc.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return 0
}

function offsetOfKey(doc: Document, path: readonly PropertyKey[], key: string): number {
  const holder = path.length === 0 ? doc.contents : doc.getIn(path, true)
  const pair = isMap(holder) ? holder.items.find(item => isScalar(item.key) && String(item.key.value) === key) : undefined
  return isScalar(pair?.key) && pair.key.range ? pair.key.range[0] : offsetOf(doc, path)
}
