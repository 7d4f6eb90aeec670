import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { delimiter, join } from 'node:path'
import { root } from './stamp.mjs'

/**
 * What set-up asks of the machine; tests hand over another one.
 * @typedef {object} Machine
 * @property {boolean} isRoot
 * @property {string} nodeVersion without the leading v
 * @property {string} kernelRelease
 * @property {(name: string) => string | undefined} findProgram path of an executable
 * @property {(path: string) => boolean} exists
 * @property {(path: string) => string} read empty when the file cannot be read
 * @property {(argv: readonly string[], env?: Record<string, string>) => { status: number, stdout: string, stderr: string }} run
 */

/** Root's programs are often missing from the PATH of other users, and of `su` without a dash. */
const programDirs = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), '/usr/local/sbin', '/usr/sbin', '/sbin']

/** @type {Machine} */
export const thisMachine = {
  isRoot: process.getuid?.() === 0,
  nodeVersion: process.versions.node,
  kernelRelease: release(),
  findProgram: name => programDirs.map(dir => join(dir, name)).find(isExecutable),
  exists: existsSync,
  read(path) {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return ''
    }
  },
  run(argv, env = {}) {
    const [program = '', ...args] = argv
    const PATH = programDirs.join(delimiter)
    const { status, stdout, stderr, error } = spawnSync(program, args, {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 << 20,
    })
    return { status: status ?? 127, stdout: stdout ?? '', stderr: error ? error.message : (stderr ?? '') }
  },
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
