/** The demo, as a newcomer runs it: every flow of flows/ passes in a fresh lab, with its pictures, and nothing is left. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { RunRecord } from '../../src/base/results/run-record.js'
import { leftovers, observeMachine } from '../support/leftovers.js'
import { workplace } from '../support/podwire-command.js'

t.test('the demo proves every flow and takes its lab away', async t => {
  const { dir, lab, podwire } = workplace(t)
  const before = observeMachine(lab)
  const out = join(dir, 'demo')
  const { status, stdout, stderr } = await podwire('demo', '--out', out)
  t.equal(status, 0, `${stderr}\n${stdout}`)
  t.match(stdout, /\nflows: \d+ passed, 0 failed\n$/)

  const record = RunRecord.parse(JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')))
  t.ok(record.flows.length >= 8, 'the suite is whole')
  t.equal(record.packetsLost, 0)
  for (const { name, verdict, outcome, outcomeUnwatched, ladder } of record.flows) {
    t.equal(verdict, 'pass', name)
    t.equal(outcomeUnwatched, outcome, `${name}: the same when nobody looks`)
    t.not(ladder.length, 0, `${name}: something was seen`)
  }
  t.ok(existsSync(join(out, record.pcapng!)))
  const page = readFileSync(join(out, 'report.html'), 'utf8')
  for (const { name } of record.flows) t.match(page, `<h2>${name}</h2>`)

  t.strictSame(await leftovers(before, 10_000, lab), [])
})
