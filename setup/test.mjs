/**
 * `npm test`: sets up what is missing, runs every test of this machine, or those of the given files and folders, and sums up.
 *
 * Ends with the line `N passed, N failed, N skipped`. Exit status 1 when a test failed, when a job ran no test or skipped all of them,
 * when a skip names no missing kernel feature, or when the run left something behind on the machine.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { orFailure, SetupFailure } from './failure.mjs'
import { isPrepared } from './prepare.mjs'
import { root } from './stamp.mjs'
import { summariseTap } from './tap-summary.mjs'

/**
 * Jobs run one after the other, but for one that is `beside` the one before it. Kernel and lab tests run one file at a time, so that none sees
 * another's packets and processes; those of `guest` have a kernel each (test/support/guest.ts) and disturb nobody.
 * @typedef {{ name: string, folder: string, parallel: number, timeoutS: number, level: 'build' | 'test', beside?: true }} Job
 * @type {readonly Job[]}
 */
const jobs = [
  { name: 'unit', folder: 'test/unit', parallel: 2, timeoutS: 60, level: 'build' },
  { name: 'kernel', folder: 'test/kernel', parallel: 1, timeoutS: 120, level: 'test' },
  { name: 'guest', folder: 'test/guest', parallel: 1, timeoutS: 180, level: 'test', beside: true },
  { name: 'lab', folder: 'test/lab', parallel: 1, timeoutS: 300, level: 'test' },
]

await orFailure(async () => {
  process.chdir(root)
  const wanted = filesOf(process.argv.slice(2))
  const chosen = jobs
    .map(job => ({ ...job, files: wanted.filter(file => file.startsWith(`${job.folder}/`)) }))
    .filter(({ files }) => files.length > 0)
  const level = chosen.some(job => job.level === 'test') ? 'test' : 'build'
  if (!isPrepared(level)) {
    const { status } = spawnSync(process.execPath, ['setup/prepare.mjs', level, 'npm', 'test'], { stdio: 'inherit' })
    if (status !== 0) process.exit(status ?? 3)
  }

  const { tsImport } = await import('tsx/esm/api')
  const { leftovers, observeMachine } = await tsImport('../test/support/leftovers.ts', import.meta.url)
  const before = level === 'test' ? observeMachine() : undefined
  const summaries = []
  for (const group of together(chosen)) summaries.push(...(await Promise.all(group.map(runJob))))
  const left = before === undefined ? [] : await leftovers(before, 15_000)

  const failed = summaries.flatMap(summary => summary.failed)
  const problems = [...failed, ...summaries.flatMap(({ problems }) => problems), ...left]
  const passed = summaries.reduce((sum, summary) => sum + summary.passed, 0)
  const skipped = summaries.reduce((sum, summary) => sum + summary.skipped.length, 0)
  if (problems.length > 0) console.log(`\n${problems.map(problem => `✘ ${problem}`).join('\n')}`)
  console.log(`\n${passed} passed, ${problems.length} failed, ${skipped} skipped`)
  process.exit(problems.length === 0 ? 0 : 1)
})

/** Jobs that run at the same time. @template {Job} J @param {readonly J[]} all @returns {J[][]} */
function together(all) {
  /** @type {J[][]} */
  const groups = []
  for (const job of all) {
    const group = groups.at(-1)
    if (job.beside && group) group.push(job)
    else groups.push([job])
  }
  return groups
}

/** @param {Job & { files: readonly string[] }} job */
async function runJob(job) {
  console.log(`\n${job.name}: ${job.files.length} files`)
  const start = performance.now()
  const args = ['--reporter=tap', `--jobs=${job.parallel}`, `--timeout=${job.timeoutS}`, ...job.files]
  const tap = spawn('node_modules/.bin/tap', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise(resolve => tap.on('close', resolve))
  /** @type {string[]} */
  const lines = []
  let block = 0
  for await (const line of createInterface({ input: tap.stdout })) {
    lines.push(line)
    const file = /^(not )?ok \d+ - (\S+)/.exec(line)
    if (!file) continue
    if (file[1]) console.log(lines.slice(block).join('\n'))
    else console.log(`  ${line.replace(/^ok \d+ - /, '')}`)
    block = lines.length
  }
  const status = await ended
  const summary = summariseTap(lines)
  const { passed, failed, skipped } = summary
  for (const { name, reason } of skipped) console.log(`  skipped: ${name}: ${reason}`)
  console.log(
    `${job.name}: ${passed} passed, ${failed.length} failed, ${skipped.length} skipped in ${((performance.now() - start) / 1000).toFixed(0)} s`,
  )
  return { ...summary, problems: problemsOf(job, summary, status) }
}

/** What is wrong with a job though no test of it failed. */
function problemsOf({ name }, { passed, failed, skipped }, status) {
  const problems = skipped
    .filter(({ reason }) => !reason.includes('KERNEL_UNSUPPORTED'))
    .map(skip => `${skip.name}: skipped without KERNEL_UNSUPPORTED: ${skip.reason || 'no reason given'}`)
  if (passed + failed.length === 0) problems.push(`${name}: ${skipped.length === 0 ? 'no test ran' : 'every test was skipped'}`)
  if (status !== 0 && failed.length === 0 && problems.length === 0) problems.push(`${name}: tap ended with status ${status}`)
  return problems
}

/** The test files among files and folders; all when none is named. @param {readonly string[]} named @returns {string[]} */
function filesOf(named) {
  const paths = named.length === 0 ? jobs.map(({ folder }) => folder).filter(existsSync) : named.map(path => relative(root, path))
  return paths.flatMap(path => {
    if (!existsSync(path)) throw new SetupFailure('CONFIG_INVALID', `There is no ${path}.`, 'npm test -- test/unit')
    const files = statSync(path).isFile() ? [path] : readdirSync(path, { recursive: true }).map(name => join(path, String(name)))
    const tests = files.filter(file => file.endsWith('.test.ts')).sort()
    if (tests.length === 0) throw new SetupFailure('CONFIG_INVALID', `There is no test in ${path}.`, 'npm test -- test/unit')
    return tests
  })
}
