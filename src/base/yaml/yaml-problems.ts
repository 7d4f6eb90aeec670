import { type Document, isMap, isNode, isScalar, type LineCounter } from 'yaml'
import { z } from 'zod'

import { nearestWord } from './nearest-word.js'

/** Something wrong in a YAML text, and where: the offset of the value or key it is about. */
export interface YamlProblem {
  readonly offset: number
  readonly text: string
}

/** What the YAML parser refused. */
export const syntaxProblems = (doc: Document): readonly YamlProblem[] =>
  doc.errors.map(({ pos, message }) => ({
    offset: pos[0],
    text: message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, ''),
  }))

/** What a schema refused of a document that parsed: a missing value is reported at what should hold it, an unknown key where it stands. */
export const schemaProblems = (doc: Document, schema: z.ZodType, issues: readonly z.core.$ZodIssue[]): readonly YamlProblem[] =>
  issues.flatMap(issue => issueProblems(doc, schema, issue, []))

/** The problems in the order of the text, a line each: `  FILE:LINE:COLUMN what is wrong`. */
export function placedLines(problems: readonly YamlProblem[], { file, lineCounter }: { file: string; lineCounter: LineCounter }): string {
  return [...problems]
    .sort((a, b) => a.offset - b.offset)
    .map(({ offset, text }) => `  ${placeOf(offset, { file, lineCounter })} ${text}`)
    .join('\n')
}

/** `FILE:LINE:COLUMN` of an offset. */
export function placeOf(offset: number, { file, lineCounter }: { file: string; lineCounter: LineCounter }): string {
  const { line, col } = lineCounter.linePos(offset)
  return `${file}:${line}:${col}`
}

/** Where in the text the value at `path` stands; of a missing value, what should hold it. */
export function offsetOf(doc: Document, path: readonly PropertyKey[]): number {
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

type Issue = z.core.$ZodIssue

function issueProblems(doc: Document, root: z.ZodType, issue: Issue, base: readonly PropertyKey[]): readonly YamlProblem[] {
  const path = [...base, ...issue.path]
  const at = path.length > 0 ? `${z.core.toDotPath(path)}: ` : ''
  if (issue.code === 'invalid_union') {
    const meant = meantBranch(issue.errors)
    if (meant !== undefined) return meant.flatMap(inner => issueProblems(doc, root, inner, path))
  }
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(root, path)
    return issue.keys.map(key => {
      const nearest = nearestWord(key, known)
      const advice = nearest !== undefined ? `; did you mean ${nearest}?` : known.length > 0 ? `; known are ${known.join(', ')}` : ''
      return { offset: offsetOfKey(doc, path, key), text: `${at}unknown key ${key}${advice}` }
    })
  }
  if (issue.code === 'invalid_key') {
    const text = `${at}${issue.issues.map(({ message }) => message).join('; ')}`
    return [{ offset: offsetOfKey(doc, path.slice(0, -1), String(path.at(-1))), text }]
  }
  const isMissing = issue.code === 'invalid_type' && path.length > 0 && !doc.hasIn(path)
  return [{ offset: offsetOf(doc, path), text: `${at}${isMissing ? 'is missing' : issue.message}` }]
}

/**
 * Of a value that may have several forms, the problems of the form that the writer meant: the one whose deepest problem lies deepest;
 * among equals the one with fewer problems. Undefined when no form got beyond the type of the value itself.
 */
function meantBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const [best] = branches.filter(issues => issues.length > 0).sort((a, b) => depthOf(b) - depthOf(a) || a.length - b.length)
  return best !== undefined && depthOf(best) > 0 ? best : undefined
}

/** Whatever is not a wrong type lies half a step deeper: the value had the type that the form wants. */
const depthOf = (issues: readonly Issue[]): number =>
  Math.max(
    ...issues.map(issue => {
      const own = issue.code === 'invalid_type' || issue.code === 'invalid_union' ? 0 : 0.5
      const inner = issue.code === 'invalid_union' ? Math.max(0, ...issue.errors.map(depthOf)) : 0
      return issue.path.length + own + inner
    }),
  )

/** The keys that the schema knows at `path`. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  const here = branchesOf(schema)
  const [head, ...rest] = path
  if (head === undefined) return [...new Set(here.flatMap(each => (each instanceof z.ZodObject ? Object.keys(each.shape) : [])))]
  return here.flatMap(each => {
    if (each instanceof z.ZodObject) {
      const child = (each.shape as Record<string, z.ZodType | undefined>)[String(head)]
      return child === undefined ? [] : knownKeys(child, rest)
    }
    if (each instanceof z.ZodArray) return knownKeys(each.element as z.ZodType, rest)
    if (each instanceof z.ZodRecord) return knownKeys(each.valueType as z.ZodType, rest)
    return []
  })
}

/** What a schema is below its wrappers: the branches of a union, the inside of an optional. */
function branchesOf(schema: z.ZodType): readonly z.ZodType[] {
  const isWrapper = schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
  if (isWrapper) return branchesOf(schema.unwrap() as z.ZodType)
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(option => branchesOf(option as z.ZodType))
  return [schema]
}
