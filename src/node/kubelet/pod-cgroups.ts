import { readdir, rmdir } from 'node:fs/promises'

import { type KubeletConfig, podCgroup } from './kubelet-config.js'

/** The cgroups that hold a Pod's containers; the runtime makes them and leaves the Pod's own folder behind. */
export interface PodCgroups {
  /** Removes the Pod's empty cgroups in every hierarchy. */
  remove(podUid: string): Promise<void>
}

/** `root` is where the hierarchies are mounted: `/sys/fs/cgroup`. */
export function podCgroups(config: KubeletConfig, root: string): PodCgroups {
  return {
    async remove(podUid) {
      const path = podCgroup(config, podUid)
      // Version 2 mounted alone has the groups at its root; version 1 has a folder for each controller.
      const hierarchies = await readdir(root, { withFileTypes: true })
      const roots = [root, ...hierarchies.filter(entry => entry.isDirectory()).map(({ name }) => `${root}/${name}`)]
      await Promise.all(roots.map(hierarchy => removeTree(`${hierarchy}${path}`)))
    },
  }
}

/** Files of a cgroup go with its folder; a folder that is gone or still used is left. */
async function removeTree(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => undefined)
  if (!entries) return
  for (const entry of entries) if (entry.isDirectory()) await removeTree(`${path}/${entry.name}`)
  await rmdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'EBUSY') throw error
  })
}
