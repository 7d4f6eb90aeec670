/** What `./podwire` runs: sets up what its command needs and then becomes dist/podwire.js, in the same process. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { doctor } from './doctor.mjs'
import { orFailure, SetupFailure } from './failure.mjs'
import { isPrepared } from './prepare.mjs'
import { root } from './stamp.mjs'

/** These make labs; the others read one, or only talk, and do without root and the lab's packages. */
const labCommands = new Set(['demo', 'up'])

/** Help is made by the bundle; nobody who asks for it first should get packages installed. */
const notYet = `podwire is not set up yet: the first command that needs it says what it installs, and does so.
  ./podwire demo     everything once: a lab, a shop in it, the packet flows, a report
  ./podwire doctor   what this machine needs, what is missing, the command that mends it
README.md lists all commands.`

const [command = '', ...rest] = process.argv.slice(2)
const asksForHelp = rest.some(word => word === '-h' || word === '--help')
const asksForWords = asksForHelp || ['', '-h', '--help'].includes(command)

if (command === 'doctor' && !asksForHelp) process.exit(doctor(rest))

const level = labCommands.has(command) && !asksForHelp ? 'lab' : 'build'
if (!isPrepared(level)) {
  if (asksForWords) {
    console.log(notYet)
    process.exit(0)
  }
  // Locked, so that two commands started together do not build over each other.
  await orFailure(makeDist)
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

/** Someone else's checkout may not be ours to write. */
function makeDist() {
  const dist = join(root, 'dist')
  try {
    mkdirSync(dist, { recursive: true })
    accessSync(dist, constants.W_OK)
  } catch {
    throw new SetupFailure(
      'NOT_PERMITTED',
      `podwire is not set up yet, and ${dist} cannot be written by this user.`,
      'sudo ./podwire --version',
    )
  }
}

const program = join(root, 'dist/podwire.js')
process.argv = [process.execPath, program, command, ...rest].filter((word, i) => i !== 2 || word !== '')
await import(program)
