import { type Document, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'

import { PodwireError } from '../base/errors/podwire-error.js'
import { offsetOf, placedLines, schemaProblems, syntaxProblems, type YamlProblem } from '../base/yaml/yaml-problems.js'
import { findConflicts } from './lab-conflicts.js'
import { LabShape } from './lab-shape.js'
import { LabSpec } from './lab-spec.js'

/** Reads a lab file, or throws one CONFIG_INVALID that lists every problem with its line and column. An empty file is the default lab. */
export function parseLab(text: string, file: string): LabSpec {
  const lineCounter = new LineCounter()
  const doc = parseDocument(text, { lineCounter })
  const problems = doc.errors.length > 0 ? syntaxProblems(doc) : valueProblems(doc)
  if (problems.length === 0) return LabSpec.parse(doc.toJS() ?? {})
  throw new PodwireError('CONFIG_INVALID', `${file} is not a valid lab:\n${placedLines(problems, { file, lineCounter })}`, {
    hint: 'schemas/lab.schema.json has every key; examples/ has complete files.',
  })
}

/** What the schema refuses, and the conflicts among the parts that it accepts. */
function valueProblems(doc: Document): readonly YamlProblem[] {
  let value: unknown
  try {
    value = doc.toJS() ?? {}
  } catch (error) {
    // The parser refuses aliases that lead nowhere, or that unfold to far more than the file holds.
    return [{ offset: 0, text: error instanceof Error ? error.message : String(error) }]
  }
  const issues = LabShape.safeParse(value).error?.issues ?? []
  const conflicts = typeof value === 'object' && !Array.isArray(value) ? findConflicts(validParts(value as Record<string, unknown>)) : []
  return [
    ...schemaProblems(doc, LabShape, issues),
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
