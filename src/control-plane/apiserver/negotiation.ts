import { notAcceptable } from '../../api/status.js'
import type { ApiServerRequest } from './authentication.js'

/** How an answer is to look. */
export type AnswerForm = 'object' | 'table' | 'metadata'

const accepted = ['application/json', 'application/json;stream=watch', 'application/yaml']

interface MediaRange {
  readonly type: string
  readonly parameters: ReadonlyMap<string, string>
}

/** The ranges of an Accept header, in the order of preference; nothing said means anything goes. */
export function acceptedRanges({ headers }: ApiServerRequest): MediaRange[] {
  const ranges = (headers.accept ?? '*/*').split(',').map((text, order) => {
    const [type = '', ...parts] = text.split(';').map(part => part.trim())
    const parameters = new Map(parts.map(part => [part.split('=')[0]!.toLowerCase(), part.split('=')[1] ?? '']))
    return { type: type.toLowerCase(), parameters, order, quality: Number(parameters.get('q') ?? 1) }
  })
  return ranges.sort((a, b) => b.quality - a.quality || a.order - b.order)
}

const isJson = (type: string): boolean => type === 'application/json' || type === '*/*' || type === 'application/*'

/** The first form in the Accept header that this server has. Throws 406 when there is none. */
export function answerForm(request: ApiServerRequest): { readonly form: AnswerForm; readonly yaml: boolean } {
  for (const { type, parameters } of acceptedRanges(request)) {
    const yaml = type === 'application/yaml'
    if (!yaml && !isJson(type)) continue
    const as = parameters.get('as')
    const version = parameters.get('v')
    if (as === undefined) return { form: 'object', yaml }
    if (parameters.get('g') !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) continue
    if (as === 'Table') return { form: 'table', yaml }
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { form: 'metadata', yaml }
  }
  throw notAcceptable(accepted)
}
