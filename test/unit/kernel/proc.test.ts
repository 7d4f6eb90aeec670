import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import t from 'tap'

import { localMachine } from '../../../src/kernel/local-machine.js'
import { isRunning, listProcesses } from '../../../src/kernel/proc.js'
import { until } from '../../support/until.js'

t.test('this process is found, as it is', async t => {
  const [self] = listProcesses().filter(({ pid }) => pid === process.pid)
  t.equal(self?.argv[0], process.argv0)
  t.equal(self?.pidInNamespaces.at(0), process.pid)
  t.ok(isRunning(self!))
})

t.test('a PID that another process has got since is not the same process', async t => {
  const [self] = listProcesses().filter(({ pid }) => pid === process.pid)
  t.equal(isRunning({ ...self!, startTicks: self!.startTicks - 1 }), false)
})

t.test('a zombie does not run, and is not listed', async t => {
  // The second sleep never waits for the first.
  const parent = localMachine.start(['sh', '-c', 'sleep 600 & echo $!; exec sleep 600'])
  t.teardown(() => parent.stop())
  const [line] = await once(parent.stdout!, 'data')
  const pid = Number(line)
  const find = () => listProcesses().find(process => process.pid === pid)
  const child = find()!
  t.ok(isRunning(child))
  process.kill(pid, 'SIGKILL')
  await until('the child to be a zombie', () => / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')))
  t.equal(isRunning(child), false)
  t.equal(find(), undefined)
})
