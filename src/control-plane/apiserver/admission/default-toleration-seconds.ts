import type { Pod, Toleration } from '../../../api/generated/types.js'
import type { Draft } from '../../../api/json.js'
import { type AdmissionPlugin, isAbout } from './admission-plugin.js'

const seconds = 300
const keys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']

/** A Pod stays five minutes on a node that is lost, unless it says how long. */
export const defaultTolerationSecondsPlugin: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  mutate(request) {
    const { spec } = request.object as Draft<Pod>
    if (request.operation !== 'CREATE' || !isAbout(request, '', 'pods') || !spec) return
    const missing = keys.filter(key => !spec.tolerations?.some(toleration => tolerates(toleration, key)))
    const added = missing.map(key => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: seconds }))
    if (added.length > 0) spec.tolerations = [...(spec.tolerations ?? []), ...added]
  },
}

const tolerates = ({ key = '', effect = '' }: Toleration, wanted: string): boolean =>
  (key === '' || key === wanted) && (effect === '' || effect === 'NoExecute')
