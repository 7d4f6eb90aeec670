/**
 * Adds to package-lock.json the optional packages of other platforms that the registry at hand did not serve when the lock was made.
 * npm leaves such packages out of the lock, and `npm ci` then refuses it. Run it after every `npm install`; a test says when it is due.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const lockFile = fileURLToPath(new URL('../package-lock.json', import.meta.url))
const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const processors = ['arm64', 'arm', 'ia32', 'ppc64', 'riscv64', 's390x', 'x64']

/** What the package's own name says of where it runs: `@scope/name-linux-x64-musl`. */
function platformOf(name) {
  const words = name.split(/[-/]/)
  const os = systems.filter(system => words.includes(system))
  const cpu = processors.filter(processor => words.includes(processor))
  const libc = os[0] === 'linux' ? (words.some(word => word.startsWith('musl')) ? ['musl'] : ['glibc']) : []
  return { ...(cpu.length && { cpu }), ...(libc.length && { libc }), ...(os.length && { os }) }
}

/** The optional packages that the lock speaks of and has no entry for: name, version, whether only for development. */
export function missingOptionals(lock) {
  return Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {}, dev }]) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => !lock.packages[`node_modules/${name}`] && !lock.packages[`${path}/node_modules/${name}`])
      .map(([name, version]) => ({ name, version, dev })),
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const lock = JSON.parse(readFileSync(lockFile, 'utf8'))
  const missing = missingOptionals(lock)
  for (const { name, version, dev } of missing) {
    lock.packages[`node_modules/${name}`] = { version, ...(dev && { dev }), optional: true, ...platformOf(name) }
  }
  const byPath = ([a], [b]) => (a < b ? -1 : 1)
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(byPath))
  writeFileSync(lockFile, `${JSON.stringify(lock, undefined, 2)}\n`)
  console.log(`${missing.length} packages of other platforms added`)
}
