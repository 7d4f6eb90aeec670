import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'

import { findProcess } from '../../src/kernel/proc.js'
import { claimLab } from '../../src/lab/claim-lab.js'
import { labPaths } from '../../src/lab/lab-paths.js'
import { tempLabName } from '../support/temp-hosts.js'

/** The paths of a lab whose folder is there, holding `claim`, and is removed at the end. */
function claimed(t: Test, claim: string) {
  const name = tempLabName()
  const paths = labPaths(name)
  t.teardown(() => rmSync(paths.dir, { recursive: true, force: true }))
  mkdirSync(paths.dir, { recursive: true })
  writeFileSync(paths.claim, claim)
  return { name, paths }
}

const self = findProcess(process.pid)!

t.test('a lab that a living process brings up is refused, and left alone', async t => {
  const claim = JSON.stringify({ pid: self.pid, startTicks: self.startTicks })
  const { name, paths } = claimed(t, claim)
  t.throws(() => claimLab(name), { code: 'ALREADY_EXISTS', message: `a lab named ${name} is being brought up by process ${self.pid}` })
  t.equal(readFileSync(paths.claim, 'utf8'), claim)
})

for (const [what, claim] of Object.entries({
  'whose process was killed': JSON.stringify({ pid: self.pid, startTicks: self.startTicks - 1 }),
  'whose claim was cut short': '{"pid":',
})) {
  t.test(`a folder ${what} is made anew`, async t => {
    const { name, paths } = claimed(t, claim)
    writeFileSync(`${paths.dir}/rest`, '')
    claimLab(name)
    t.throws(() => readFileSync(`${paths.dir}/rest`), { code: 'ENOENT' })
    t.strictSame(JSON.parse(readFileSync(paths.claim, 'utf8')), { pid: self.pid, startTicks: self.startTicks })
  })
}
