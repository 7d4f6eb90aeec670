import { z } from 'zod'

import { findConflicts } from './lab-conflicts.js'
import { LabShape } from './lab-shape.js'

/** One lab as its lab.yaml says it, defaults filled in. */
export const LabSpec = LabShape.superRefine((spec, context) => {
  for (const { path, message } of findConflicts(spec)) context.addIssue({ code: 'custom', path: [...path], message })
})
export type LabSpec = z.infer<typeof LabShape>

/** The lab that `podwire up` makes without a file: three nodes, one external. */
export const defaultLab = (name?: string): LabSpec => LabSpec.parse(name === undefined ? {} : { name })

/** The JSON schema by which editors complete and check a lab.yaml. */
export const labJsonSchema = () => ({ title: 'podwire lab', ...z.toJSONSchema(LabShape, { io: 'input' }) })
