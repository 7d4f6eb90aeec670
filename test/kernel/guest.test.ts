import { mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'

import { packageRoot } from '../../src/kernel/built-program.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { listProcesses } from '../../src/kernel/proc.js'
import { guestCommand } from '../support/guest.js'
import { until } from '../support/until.js'

const folder = mkdtempSync(join(tmpdir(), 'podwire-guest-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const fixture = (name: string, text: string): string => {
  const file = join(folder, `${name}.mts`)
  writeFileSync(file, text)
  return file
}

const endings = {
  'ends before its first test': 'process.exit(0)',
  'is killed in a test': "process.stdout.write('TAP version 14\\nok 1 - begun\\n', () => process.kill(process.pid, 'SIGKILL'))",
}
t.test('a file whose guest does not come to the end of its tests fails on the machine', async t => {
  const guest = join(packageRoot(), 'test/support/guest.ts')
  const runs = Object.entries(endings).map(async ([what, code]) => {
    const file = fixture(
      what.replaceAll(' ', '-'),
      `import { inGuest } from '${guest}'\nawait inGuest(import.meta.url, () => { ${code} })\n`,
    )
    const { exitCode, stdout } = await localMachine.run([process.execPath, '--import=tsx', file], { allowFailure: true })
    t.not(exitCode, 0, what)
    t.match(stdout, /^not ok/m, what)
  })
  await Promise.all(runs)
})

t.test('a guest that is killed leaves no process and no mount, whenever it is', async t => {
  const file = fixture('waits', "process.stdout.write('ready\\n'); setInterval(() => {}, 1000)")
  for (const moment of ['begun', 'ready']) {
    const guest = localMachine.start(guestCommand(file))
    const ready = new Promise(resolve => createInterface(guest.stdout!).once('line', resolve))
    const home = mountNamespace(process.pid)
    const away = () => listProcesses(argv => argv.some(word => word.includes(file))).map(({ pid }) => mountNamespace(pid))
    let namespace: string | undefined
    await until('the guest has a mount namespace of its own', () => {
      namespace = away().find(found => found !== undefined && found !== home)
      return namespace !== undefined
    })
    if (moment === 'ready') t.equal(await ready, 'ready')
    process.kill(guest.pid, 'SIGKILL')
    await until(`nothing is left of a guest killed when ${moment}`, () => {
      return !listProcesses().some(({ pid }) => mountNamespace(pid) === namespace)
    })
    t.equal(await guest.ended, 137)
  }
})

function mountNamespace(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`)
  } catch {
    return undefined // It ended while we looked.
  }
}
