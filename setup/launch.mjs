/** What `./podwire` runs: sets up what its command needs and then becomes dist/podwire.js, in the same process. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { doctor } from './doctor.mjs'
import { isPrepared } from './prepare.mjs'
import { root } from './stamp.mjs'

/** These make labs; the others read one, or only talk, and do without root and the lab's packages. */
const labCommands = new Set(['demo', 'up'])

const [command = '', ...rest] = process.argv.slice(2)
const asksForHelp = rest.some(word => word === '-h' || word === '--help')

if (command === 'doctor' && !asksForHelp) process.exit(doctor(rest))

const level = labCommands.has(command) && !asksForHelp ? 'lab' : 'build'
if (!isPrepared(level)) {
  // Locked, so that two commands started together do not build over each other.
  mkdirSync(join(root, 'dist'), { recursive: true })
  const prepare = [
    'flock',
    join(root, 'dist/.podwire-lock'),
    process.execPath,
    join(root, 'setup/prepare.mjs'),
    level,
    './podwire',
    command,
    ...rest,
  ]
  const { status } = spawnSync(prepare[0], prepare.slice(1), { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 3)
}

const program = join(root, 'dist/podwire.js')
process.argv = [process.execPath, program, command, ...rest].filter((word, i) => i !== 2 || word !== '')
await import(program)
