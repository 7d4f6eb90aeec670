/**
 * Makes this machine ready: says what it is about to do and why, then does it. What is there already is left alone.
 *
 * As a program: `node setup/prepare.mjs build|lab|test COMMAND…`. Each failure is one message with the command that mends it, exit status 3.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { orFailure, SetupFailure } from './failure.mjs'
import { thisMachine } from './machine.mjs'
import { requirementsFor } from './requirements.mjs'
import { isCurrent, modulesAreCurrent, root, writeStamp } from './stamp.mjs'

/**
 * @typedef {import('./machine.mjs').Machine} Machine
 * @typedef {import('./requirements.mjs').Level} Level
 * @typedef {import('./requirements.mjs').Requirement} Requirement
 */

/** True when nothing has to be done: decided without starting any program. @param {Level} level @param {Machine} machine */
export function isPrepared(level, machine = thisMachine) {
  const cheap = requirementsFor(level).filter(({ kind, id }) => kind !== 'kernel' && id !== 'apt-get')
  const isBuilt = modulesAreCurrent() && isCurrent('build') && (level !== 'test' || isCurrent('runner'))
  return isBuilt && (level === 'build' || isCurrent('kernel')) && missing(cheap, machine).length === 0
}

/**
 * @param {Level} level
 * @param {string} command what the user asked for, as it stands in hints
 * @param {Machine} machine
 */
export function prepare(level, command, machine = thisMachine) {
  const wanted = requirementsFor(level)
  const packages = missing(wanted.filter(isPackage), machine)
  const [first] = missing(wanted.filter(isSystem), machine).filter(({ id }) => id !== 'apt-get' || packages.length > 0)
  if (first?.id === 'root') throw new SetupFailure('NOT_PERMITTED', `\`${command}\` needs root: it ${first.why}.`, `sudo ${command}`)
  if (first)
    throw new SetupFailure('COMMAND_MISSING', `${first.id} is needed (it ${first.why}), but: ${first.probe(machine).found}.`, first.mend)

  installPackages(packages, machine)
  if (!modulesAreCurrent()) installModules(machine)
  if (!isCurrent('build')) build(machine)
  if (level === 'test' && !isCurrent('runner')) buildRunner(machine)
  if (level !== 'build' && !isCurrent('kernel')) checkKernel(wanted.filter(isKernel), machine)
}

/** @param {readonly Requirement[]} packages @param {Machine} machine */
function installPackages(packages, machine) {
  if (packages.length === 0) return
  const names = packages.map(({ id }) => id)
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...names]
  if (!machine.isRoot) {
    const message = `These Debian packages are not installed, and only root can install them: ${names.join(' ')}.`
    throw new SetupFailure('NOT_PERMITTED', message, `sudo ${install.join(' ')}`)
  }
  say('Installing Debian packages with apt-get:', packages)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  attempt('apt-get update', machine, ['apt-get', 'update'], env)
  attempt('apt-get install', machine, install, env)
}

/** @param {Machine} machine */
function installModules(machine) {
  say('Installing the dependencies that package-lock.json fixes, with npm ci (into node_modules/, no install scripts)')
  attempt('npm ci', machine, ['npm', 'ci', '--ignore-scripts', '--prefix', root], fewWaits, diesWithUs)
}

/** @param {Machine} machine */
function build(machine) {
  say("Building dist/: a bundle for each process; the CNI forwarder and the hosts' PID 1 in C")
  attempt('The build', machine, [process.execPath, join(root, 'setup/build.mjs')])
  writeStamp('build')
}

/** tap would do it by itself in the middle of its first run, too late for that run. @param {Machine} machine */
function buildRunner(machine) {
  say('Building the test runner with its plugins (into .tap/)')
  attempt('tap build', machine, [process.execPath, join(root, 'node_modules/tap/dist/esm/run.mjs'), 'build'])
  writeStamp('runner')
}

/** Loads what can be loaded and refuses a kernel that lacks the rest. @param {readonly Requirement[]} features @param {Machine} machine */
function checkKernel(features, machine) {
  const absent = missing(features, machine)
  if (absent.length > 0 && machine.findProgram('modprobe')) {
    say('Loading kernel modules with modprobe:', absent)
    for (const { mend } of absent) machine.run(mend.split(' '))
  }
  const still = missing(absent, machine)
  if (still.length > 0) {
    const list = still.map(({ id, why, probe }) => `  ${id} (${why}): ${probe(machine).found}`)
    const message = `The kernel ${machine.kernelRelease} lacks what a lab needs:\n${list.join('\n')}`
    const modules = existsSync(`/lib/modules/${machine.kernelRelease}`)
    const hint = modules ? still.map(({ mend }) => mend).join(' && ') : "boot Debian's own kernel: apt-get install -y linux-image-amd64"
    throw new SetupFailure('KERNEL_UNSUPPORTED', message, hint)
  }
  writeStamp('kernel')
}

/** Without a network npm would be silent for 70 s before it says so. */
const fewWaits = { npm_config_fetch_retry_maxtimeout: '10000' }

const noNetwork =
  /Temporary failure resolving|Could not resolve|Could not connect|Unable to connect|Failed to fetch|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/i

/** npm lives on after Ctrl-C and would write beside the next one. Never for apt-get: dpkg must not be killed. */
const diesWithUs = ['setpriv', '--pdeathsig', 'KILL']

/**
 * Runs a step; its output is shown only when it failed.
 * @param {string} step @param {Machine} machine @param {readonly string[]} argv @param {Record<string, string>} [env]
 * @param {readonly string[]} [starter] what starts `argv`, left out of hints
 */
function attempt(step, machine, argv, env, starter = []) {
  const { status, stdout, stderr } = machine.run([...starter, ...argv], env)
  if (status === 0) return
  const output = `${stdout}\n${stderr}`.trim()
  const command = argv.join(' ')
  const lines = output.split('\n')
  // The longest says which address and why; the others are codes.
  const [unreachable] = lines.filter(line => noNetwork.test(line)).sort((a, b) => b.length - a.length)
  if (unreachable !== undefined) {
    throw new SetupFailure(
      'SETUP_FAILED',
      `${step} could not reach the network: ${unreachable.trim()}`,
      `give this machine network access, then run: ${command}`,
    )
  }
  // npm ends its complaints with a page of usage; what is wrong stands before it.
  const telling = lines.filter(line => /error|fatal|^E:/i.test(line))
  const shown = (telling.length > 0 ? telling.slice(0, 12) : lines.slice(-12)).map(line => `  ${line}`)
  throw new SetupFailure(
    'SETUP_FAILED',
    `${step} failed with status ${status}:\n${shown.join('\n')}`,
    `run it by hand to see everything: ${command}`,
  )
}

/** @param {readonly Requirement[]} wanted @param {Machine} machine */
const missing = (wanted, machine) => wanted.filter(({ probe }) => probe(machine).state === 'missing')

/** @param {Requirement} requirement */
const isSystem = ({ kind }) => kind === 'system'
/** @param {Requirement} requirement */
const isPackage = ({ kind }) => kind === 'package'
/** @param {Requirement} requirement */
const isKernel = ({ kind }) => kind === 'kernel'

/** Progress goes to stderr: stdout belongs to the command. @param {string} what @param {readonly Requirement[]} [items] */
function say(what, items = []) {
  console.error(what)
  for (const { id, why } of items) console.error(`  ${id.padEnd(16)} ${why}`)
}

if (process.argv[1] === import.meta.filename) {
  const level = /** @type {Level} */ (process.argv[2] ?? 'lab')
  await orFailure(() => {
    if (!isPrepared(level)) prepare(level, process.argv.slice(3).join(' '))
  })
}
