/** Whatever is killed, `down` leaves links, rules, mounts, processes, cgroups and files as they were. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import t, { type Test } from 'tap'
import { leftovers, observeMachine } from '../support/leftovers.js'
import { workplace } from '../support/podwire-command.js'

/** The processes whose command line matches, that stand in a host of this lab. */
function processesOf(lab: string, pattern: RegExp): readonly number[] {
  const inits = pids().filter(pid => cmdline(pid).startsWith('podwire-host ') && cmdline(pid).includes(`lab=${lab} `))
  const namespaces = new Set(inits.map(pid => netns(pid)))
  return pids().filter(pid => namespaces.has(netns(pid)) && pattern.test(cmdline(pid)))
}

const pids = () =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)

/** Empty for a process that has ended, or that even root may not look into. */
function netns(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return ''
  }
}

function cmdline(pid: number): string {
  try {
    return `${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()} `
  } catch {
    return ''
  }
}

/** A lab is up, something is killed, `down` is called; nothing may differ from before. */
async function survivesDown(t: Test, kill: (lab: string) => void): Promise<void> {
  const { lab, podwire } = workplace(t)
  const before = observeMachine(lab)
  const up = await podwire('up')
  t.equal(up.status, 0, up.stderr)
  t.not((await leftovers(before, 0, lab)).length, 0, 'a lab is something to see')
  kill(lab)
  const down = await podwire('down')
  t.equal(down.status, 0, down.stderr)
  t.strictSame(await leftovers(before, 10_000, lab), [])
}

const killAll = (t: Test, lab: string, pattern: RegExp) => {
  const found = processesOf(lab, pattern)
  t.not(found.length, 0, `${pattern} runs`)
  for (const pid of found) process.kill(pid, 'SIGKILL')
}

t.test('nothing was killed', t => survivesDown(t, () => {}))
t.test('the server was killed', t => survivesDown(t, lab => killAll(t, lab, /server\.js/)))
t.test('the agents were killed', t => survivesDown(t, lab => killAll(t, lab, /agent\.js/)))
t.test('the container runtimes were killed', t => survivesDown(t, lab => killAll(t, lab, /^(\/usr\/bin\/)?containerd /)))
t.test('the hosts were killed', t => survivesDown(t, lab => killAll(t, lab, /^podwire-host /)))

for (const moment of ['hosts', 'API server', 'nodes']) {
  t.test(`up was killed at: ${moment}`, async t => {
    const { lab, podwire, startPodwire } = workplace(t)
    const before = observeMachine(lab)
    const up = startPodwire('up')
    await up.said(`  ${moment}\n`)
    up.process.kill('SIGKILL')
    t.equal((await up.ended).status, 137)
    const down = await podwire('down')
    t.equal(down.status, 0, down.stderr)
    t.strictSame(await leftovers(before, 10_000, lab), [])
  })

  t.test(`Ctrl-C at: ${moment}`, async t => {
    const { lab, startPodwire } = workplace(t)
    const before = observeMachine(lab)
    const up = startPodwire('up')
    await up.said(`  ${moment}\n`)
    up.process.kill('SIGINT')
    const { status, stderr } = await up.ended
    t.equal(status, 1)
    t.match(stderr, /\nABORTED .*\n$/)
    t.strictSame(await leftovers(before, 10_000, lab), [], 'without any down')
  })
}
