import { LineCounter, parseAllDocuments } from 'yaml'

import { PodwireError } from '../base/errors/podwire-error.js'
import { offsetOf, placedLines, placeOf, schemaProblems, syntaxProblems, type YamlProblem } from '../base/yaml/yaml-problems.js'
import { FlowTest } from './flow-test-schema.js'
import { expandMatrix, type MatrixCell } from './matrix/expand-matrix.js'
import { ReachabilityMatrix } from './matrix/matrix-schema.js'

/** A flow test with the file it stands in. */
export interface FlowDocument {
  readonly file: string
  readonly test: FlowTest
  /** `file:line:column` of a value of the document; of its nearest parent when it is not there. */
  where(path: readonly PropertyKey[]): string
  /** Of a flow that is a cell of a ReachabilityMatrix. */
  readonly cell?: MatrixCell
}

/**
 * Reads a `*.flow.yaml` file of one or more documents, each a FlowTest or a ReachabilityMatrix; of a matrix every cell is a flow.
 * Errors: CONFIG_INVALID with all problems of all documents, each with file:line:column and, for a misspelt key, the nearest known one.
 */
export function parseFlowFile(text: string, file: string): readonly FlowDocument[] {
  const lineCounter = new LineCounter()
  const places = { file, lineCounter }
  const problems: YamlProblem[] = []
  const documents: FlowDocument[] = []
  for (const doc of parseAllDocuments(text, { lineCounter })) {
    if (doc.errors.length > 0) {
      problems.push(...syntaxProblems(doc))
      continue
    }
    if (doc.contents === null) continue
    if (doc.get('kind') === 'ReachabilityMatrix') {
      const result = ReachabilityMatrix.safeParse(doc.toJS())
      if (!result.success) problems.push(...schemaProblems(doc, ReachabilityMatrix, result.error.issues))
      else
        documents.push(
          ...expandMatrix(result.data).map(each => ({ ...each, file, where: () => placeOf(offsetOf(doc, ['spec', 'expect']), places) })),
        )
      continue
    }
    const result = FlowTest.safeParse(doc.toJS())
    if (result.success) {
      documents.push({ file, test: result.data, where: path => placeOf(offsetOf(doc, path), places) })
    } else {
      problems.push(...schemaProblems(doc, FlowTest, result.error.issues))
    }
  }
  if (problems.length > 0) {
    throw new PodwireError('CONFIG_INVALID', `${file} is not a valid flow test:\n${placedLines(problems, places)}`, {
      hint: 'flows/ has complete ones; schemas/flow-test.schema.json helps an editor.',
    })
  }
  if (documents.length === 0) throw new PodwireError('CONFIG_INVALID', `${file} has no flow test in it`)
  return documents
}
