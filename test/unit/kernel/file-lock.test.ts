import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'

import { everyByte, type LockedBytes, withFileLock } from '../../../src/kernel/file-lock.js'

const byte = (start: bigint): LockedBytes => ({ start, length: 1n })

t.test('the same byte is held by one at a time, others by others, all of them by nobody else', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'podwire-lock-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'lock')
  const story: string[] = []
  const letGo = new Map<string, () => void>()
  const hold = (name: string, bytes: LockedBytes): { readonly entered: Promise<void>; readonly left: Promise<void> } => {
    let enter = () => {}
    const entered = new Promise<void>(resolve => {
      enter = resolve
    })
    const left = withFileLock(file, bytes, async () => {
      story.push(`${name} in`)
      enter()
      await new Promise<void>(resolve => letGo.set(name, resolve))
      story.push(`${name} out`)
    })
    return { entered, left }
  }
  const a = hold('a', byte(5n))
  await a.entered
  const b = hold('b', byte(1n << 60n))
  await b.entered
  const again = hold('a again', byte(5n))
  letGo.get('a')?.()
  await again.entered
  const all = hold('all', everyByte)
  letGo.get('b')?.()
  await b.left
  letGo.get('a again')?.()
  await all.entered
  letGo.get('all')?.()
  await Promise.all([a.left, again.left, all.left])
  t.strictSame(story, ['a in', 'b in', 'a out', 'a again in', 'b out', 'a again out', 'all in', 'all out'])
})

t.test('work that fails lets go', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'podwire-lock-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'lock')
  await t.rejects(
    withFileLock(file, everyByte, () => Promise.reject(new Error('no'))),
    { message: 'no' },
  )
  t.equal(await withFileLock(file, everyByte, async () => 'free'), 'free')
})
