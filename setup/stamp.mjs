import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/** What a step of set-up was made from, so that it runs again when, and only when, one of its sources has other bytes. */
export const stamps = {
  /** dist: every source of it. */
  build: { file: 'dist/.podwire-stamp', sources: ['package-lock.json', 'setup/build.mjs', 'bin', 'src'], salt: process.arch },
  /** The test runner, with the plugins that .taprc names and no others. */
  runner: { file: '.tap/.podwire-stamp', sources: ['package-lock.json', '.taprc'], salt: '' },
  /** The kernel's features: they stay until the next boot. */
  kernel: { file: 'dist/.podwire-kernel', sources: ['/proc/sys/kernel/random/boot_id', 'setup/requirements.mjs'], salt: '' },
}

/** @typedef {keyof typeof stamps} StampName */

/** @param {StampName} name */
export function isCurrent(name) {
  try {
    return readFileSync(join(root, stamps[name].file), 'utf8') === digest(name)
  } catch {
    return false
  }
}

/** True when node_modules holds what package-lock.json says, whoever installed it; npm itself keeps the list of what it put there. */
export function modulesAreCurrent() {
  const wanted = Object.entries(lockedPackages('package-lock.json'))
  const installed = lockedPackages('node_modules/.package-lock.json')
  // Optional packages of other platforms are in the lock file and rightly absent here.
  return (
    wanted.length > 0 &&
    wanted.every(([path, { version, optional }]) => path === '' || (installed[path]?.version ?? (optional && version)) === version)
  )
}

/** @param {string} file @returns {Record<string, { version?: string, optional?: boolean }>} */
function lockedPackages(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages
  } catch {
    return {}
  }
}

/** Says that the step `name` has been done for the sources as they are. @param {StampName} name */
export function writeStamp(name) {
  const file = join(root, stamps[name].file)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, digest(name))
}

/** @param {StampName} name */
function digest(name) {
  const hash = createHash('sha256').update(stamps[name].salt)
  for (const source of stamps[name].sources) for (const file of filesUnder(source)) hash.update(`\0${file}\0`).update(readFileSync(file))
  return hash.digest('hex')
}

/** @param {string} source a file, or a folder with all it holds @returns {string[]} in a fixed order */
function filesUnder(source) {
  const path = source.startsWith('/') ? source : join(root, source)
  try {
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name))
      .sort()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return [path]
    throw error
  }
}
