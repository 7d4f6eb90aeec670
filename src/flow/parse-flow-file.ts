import { type Document, isMap, isNode, isScalar, LineCounter, parseAllDocuments } from 'yaml'
import { z } from 'zod'

import { PodwireError } from '../base/errors/podwire-error.js'
import { FlowTest } from './flow-test-schema.js'

/** A flow test with the file it stands in. */
export interface FlowDocument {
  readonly file: string
  readonly test: FlowTest
  /** `file:line:column` of a value of the document; of its nearest parent when it is not there. */
  where(path: readonly PropertyKey[]): string
}

/**
 * Reads a `*.flow.yaml` file of one or more documents.
 * Errors: CONFIG_INVALID with all problems of all documents, each with file:line:column and, for a misspelt key, the nearest known one.
 */
export function parseFlowFile(text: string, file: string): readonly FlowDocument[] {
  const lineCounter = new LineCounter()
  const place = (offset: number): string => {
    const { line, col } = lineCounter.linePos(offset)
    return `${file}:${line}:${col}`
  }
  const problems: { readonly offset: number; readonly text: string }[] = []
  const documents: FlowDocument[] = []
  for (const doc of parseAllDocuments(text, { lineCounter })) {
    if (doc.errors.length > 0) {
      problems.push(...doc.errors.map(error => ({ offset: error.pos[0], text: error.message.split('\n')[0]! })))
      continue
    }
    if (doc.contents === null) continue
    const result = FlowTest.safeParse(doc.toJS())
    if (result.success) {
      documents.push({ file, test: result.data, where: path => place(offsetOf(doc, path)) })
    } else {
      problems.push(...result.error.issues.flatMap(issue => describe(issue, doc, FlowTest)))
    }
  }
  if (problems.length > 0) {
    const list = problems.sort((a, b) => a.offset - b.offset).map(problem => `  ${place(problem.offset)} ${problem.text}`)
    throw new PodwireError('CONFIG_INVALID', `${file} is not a valid flow test:\n${list.join('\n')}`, {
      hint: 'flows/ has complete ones; schemas/flow-test.schema.json helps an editor.',
    })
  }
  if (documents.length === 0) throw new PodwireError('CONFIG_INVALID', `${file} has no flow test in it`)
  return documents
}

type Issue = z.core.$ZodIssue

/** The lines for one issue: a union is walked into the branch that got furthest, an unknown key is reported where the key stands. */
function describe(issue: Issue, doc: Document, root: z.ZodType, base: readonly PropertyKey[] = []): { offset: number; text: string }[] {
  const path = [...base, ...issue.path]
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const furthest = furthestBranch(issue.errors)
    if (furthest !== undefined) return furthest.flatMap(inner => describe(inner, doc, root, path))
  }
  const name = z.core.toDotPath(path) || 'document'
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(root, path)
    return issue.keys.map(key => {
      const near = nearest(key, known)
      const help = near === undefined ? (known.length > 0 ? `; known keys: ${known.join(', ')}` : '') : `; did you mean "${near}"?`
      return { offset: offsetOfKey(doc, path, key), text: `${name}: unknown key "${key}"${help}` }
    })
  }
  return [{ offset: offsetOf(doc, path), text: `${name}: ${issue.message}` }]
}

/** The branch whose deepest problem lies deepest; among equals the one with fewer problems. Undefined when none got beyond the type. */
function furthestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const depth = (issues: readonly Issue[]): number =>
    Math.max(
      ...issues.map(
        issue =>
          issue.path.length +
          (issue.code === 'unrecognized_keys' || issue.code === 'invalid_value' ? 0.5 : 0) +
          (issue.code === 'invalid_union' ? Math.max(0, ...issue.errors.map(errors => depth(errors))) : 0),
      ),
    )
  const sorted = branches.filter(issues => issues.length > 0).sort((a, b) => depth(b) - depth(a) || a.length - b.length)
  const best = sorted[0]
  return best !== undefined && depth(best) > 0 ? best : undefined
}

/** The keys that the schema knows at `path`. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  const here = candidates(schema)
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
function candidates(schema: z.ZodType): readonly z.ZodType[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return candidates(schema.unwrap() as z.ZodType)
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(option => candidates(option as z.ZodType))
  return [schema]
}

/** The known key that fewest edits lead to, if few enough do. */
function nearest(key: string, known: readonly string[]): string | undefined {
  const best = known
    .map(candidate => ({ candidate, edits: editDistance(key.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)[0]
  return best !== undefined && best.edits <= Math.max(2, Math.floor(best.candidate.length / 3)) ? best.candidate : undefined
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]!
}

/** Where in the text the value at `path` stands; a missing value is reported at its parent. */
function offsetOf(doc: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length >= 0; length--) {
    const node = doc.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return 0
}

function offsetOfKey(doc: Document, path: readonly PropertyKey[], key: string): number {
  const map = path.length === 0 ? doc.contents : doc.getIn(path, true)
  const pair = isMap(map) ? map.items.find(item => isScalar(item.key) && item.key.value === key) : undefined
  return isScalar(pair?.key) && pair.key.range ? pair.key.range[0] : offsetOf(doc, path)
}
