import type { Node } from '../../../api/generated/types.js'
import type { Draft } from '../../../api/json.js'
import { type AdmissionPlugin, isAbout } from './admission-plugin.js'

const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }

/** A new Node takes no Pods before the node controller has seen it ready. */
export const taintNodesByConditionPlugin: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  mutate(request) {
    const node = request.object as Draft<Node>
    if (request.operation !== 'CREATE' || !isAbout(request, '', 'nodes')) return
    const taints = node.spec?.taints ?? []
    if (taints.some(({ key, effect }) => key === notReady.key && effect === notReady.effect)) return
    node.spec = { ...node.spec, taints: [...taints, { ...notReady }] }
  },
}
