import type { z } from 'zod'

import { FlowSpec } from './flow-test-schema.js'
import type { FlowDocument } from './parse-flow-file.js'

export type FlowSpecInput = z.input<typeof FlowSpec>

/** A flow that a command made of the cluster's objects instead of a file. */
export function flowOfSpec(spec: FlowSpecInput, { name, madeBy }: { readonly name: string; readonly madeBy: string }): FlowDocument {
  return {
    file: madeBy,
    test: { apiVersion: 'podwire.dev/v1alpha1', kind: 'FlowTest', metadata: { name }, spec: FlowSpec.parse(spec) },
    where: () => 'predicted from the objects of the cluster',
  }
}
