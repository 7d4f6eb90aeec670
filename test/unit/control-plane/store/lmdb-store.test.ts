import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'

import { openLmdbStore } from '../../../../src/control-plane/store/lmdb-store.js'
import { storeContract } from '../../../suites/store.js'

const writer = fileURLToPath(new URL('../../../support/store-writer.ts', import.meta.url))

t.test('contract', async t => {
  for (const [name, row] of Object.entries(storeContract)) {
    await t.test(name, async t => {
      const store = openLmdbStore(t.testdir())
      t.teardown(() => store.close())
      await row(t, store)
    })
  }
})

t.test('what was committed is there after closing and opening', async t => {
  const directory = t.testdir()
  const first = openLmdbStore(directory)
  await first.commit({ expect: [], changes: [{ type: 'put', key: '/a', value: Buffer.from('1') }] })
  await first.commit({ expect: [], changes: [{ type: 'put', key: '/a', value: Buffer.from('2') }] })
  await first.compact(1)
  await first.close()
  const second = openLmdbStore(directory)
  t.teardown(() => second.close())
  t.equal(second.revision, 2)
  t.equal(second.compactedRevision, 1)
  t.match(await second.get('/a'), { modRevision: 2, createRevision: 1 })
})

t.test('kill -9 loses no acknowledged write', async t => {
  const directory = t.testdir()
  const acknowledged = new Map<string, number>()
  for (let round = 0; round < 5; round++) {
    const child = spawn(process.execPath, ['--import=tsx', writer, directory, `${round}`], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    for await (const line of createInterface({ input: child.stdout })) {
      const [key, revision] = line.split(' ')
      acknowledged.set(key!, Number(revision))
      if (acknowledged.size > (round + 1) * 200) child.kill('SIGKILL')
    }
    await exited
    const store = openLmdbStore(directory)
    const { entries } = await store.list('/')
    const kept = new Map(entries.map(({ key, modRevision }) => [key, modRevision]))
    const lost = [...acknowledged].filter(([key, revision]) => kept.get(key) !== revision)
    t.strictSame(lost, [], `round ${round}: ${acknowledged.size} acknowledged`)
    t.equal(new Set(kept.values()).size, kept.size, 'no revision was given twice')
    await store.close()
  }
})
