import type { PolicyRule } from '../../../api/generated/types.js'

const words = (text: string): string[] => text.split(' ')

/**
 * A rule in few words: `rule('get list', 'core apps', 'pods deployments/scale')`. The core group is called `core` here, since its own
 * name is empty.
 */
export const rule = (verbs: string, groups: string, resources: string, names?: string): PolicyRule => ({
  verbs: words(verbs),
  apiGroups: words(groups).map(group => (group === 'core' ? '' : group)),
  resources: words(resources),
  ...(names !== undefined && { resourceNames: words(names) }),
})

/** A rule for paths that are no resources. */
export const pathRule = (verbs: string, paths: string): PolicyRule => ({ verbs: words(verbs), nonResourceURLs: words(paths) })

export const read = 'get list watch'
export const write = 'create delete deletecollection patch update'
/** Whoever acts may tell what it did. */
export const eventsRule = rule('create patch update', 'core events.k8s.io', 'events')
