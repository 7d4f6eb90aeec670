import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { PodwireError } from '../base/errors/podwire-error.js'

/** Where this checkout's root is, whether the code runs from `src/` or bundled from `dist/`. */
export function packageRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json')
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'podwire') return folder
    if (folder === dirname(folder)) throw new PodwireError('INTERNAL', `${import.meta.url} is not inside a podwire checkout`)
  }
}

/** The path of one of our own programs in `dist/`, as `host-init`. Errors: COMMAND_MISSING when it has not been built. */
export function builtProgram(name: string): string {
  const path = join(packageRoot(), 'dist', name)
  if (existsSync(path)) return path
  throw new PodwireError('COMMAND_MISSING', `${path} has not been built`, { hint: 'npm run build' })
}
