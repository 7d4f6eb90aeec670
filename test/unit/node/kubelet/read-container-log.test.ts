import { appendFileSync, renameSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'

import { systemClock } from '../../../../src/base/time/clock.js'
import { tailOffset } from '../../../../src/node/kubelet/log-tail.js'
import { type LogChoice, readContainerLog } from '../../../../src/node/kubelet/read-container-log.js'

const all: LogChoice = { follow: false, tailLines: undefined, sinceMs: undefined, timestamps: false, limitBytes: undefined }
const entry = (second: number, text: string, tag = 'F') => `2026-11-23T22:25:0${second}.5Z stdout ${tag} ${text}\n`
const log = [entry(1, 'one'), entry(2, 'tw', 'P'), entry(2, 'o'), entry(3, 'three'), entry(4, '')].join('')
const never = new AbortController().signal

function source(t: Test, text: string, isRunning = () => false) {
  const file = `${t.testdir({ '0.log': text })}/0.log`
  return { file, clock: systemClock, isRunning: async () => isRunning() }
}

async function read(t: Test, text: string, choice: Partial<LogChoice>): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of readContainerLog(source(t, text), { ...all, ...choice }, never)) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

const cases: Readonly<Record<string, { readonly choice: Partial<LogChoice>; readonly want: string }>> = {
  everything: { choice: {}, want: 'one\ntwo\nthree\n\n' },
  'the last entries': { choice: { tailLines: 2 }, want: 'three\n\n' },
  'more than there are': { choice: { tailLines: 99 }, want: 'one\ntwo\nthree\n\n' },
  'none of what is there': { choice: { tailLines: 0 }, want: '' },
  'since a moment': { choice: { sinceMs: Date.parse('2026-11-23T22:25:02.5Z') }, want: 'two\nthree\n\n' },
  'so many bytes': { choice: { limitBytes: 6 }, want: 'one\ntw' },
  'times, once a line': {
    choice: { timestamps: true, tailLines: 4 },
    want: '2026-11-23T22:25:02.500000000Z two\n2026-11-23T22:25:03.500000000Z three\n2026-11-23T22:25:04.500000000Z \n',
  },
  'a limit counts the times': { choice: { timestamps: true, limitBytes: 12 }, want: '2026-11-23T2' },
}
for (const [name, { choice, want }] of Object.entries(cases)) {
  t.test(name, async t => t.equal(await read(t, log, choice), want))
}

t.test('what is no entry is left out, and an entry without its end waits for it', async t => {
  t.equal(await read(t, `garbage\n${entry(1, 'one')}2026-11-23T22:25:02Z stdout F tw`, {}), 'one\n')
})

t.test('entries across the blocks of a large file', async t => {
  const lines = Array.from({ length: 9000 }, (_, i) => `line ${i} ${'x'.repeat(i % 50)}`)
  const text = lines.map(line => entry(1, line)).join('')
  t.equal(await read(t, text, {}), lines.map(line => `${line}\n`).join(''))
  t.equal(
    await read(t, text, { tailLines: 5000 }),
    lines
      .slice(-5000)
      .map(line => `${line}\n`)
      .join(''),
  )
})

t.test('the tail of any file is what splitting it into lines says', async t => {
  const file = `${t.testdir({ any: '' })}/any`
  const line = fc.string({ maxLength: 6 }).map(text => text.replaceAll('\n', ''))
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1 }), fc.boolean(), fc.integer({ min: 1, max: 8 }), async (lines, isEnded, wanted) => {
      const text = lines.join('\n') + (isEnded ? '\n' : '')
      const whole = text.split(/(?<=\n)/).filter(part => part !== '')
      writeFileSync(file, text)
      const handle = await open(file)
      const offset = await tailOffset(handle, Buffer.byteLength(text), wanted)
      await handle.close()
      return Buffer.from(text).subarray(offset).toString() === whole.slice(-wanted).join('')
    }),
  )
})

t.test('following: new entries as they come, also of a file that replaced the first, until the container ends', async t => {
  let runs = true
  const from = source(t, entry(1, 'one'), () => runs)
  const following = readContainerLog(from, { ...all, follow: true }, never)
  const next = async () => (await following.next()).value?.toString()
  t.equal(await next(), 'one\n')
  const second = next()
  appendFileSync(from.file, entry(2, 'two'))
  t.equal(await second, 'two\n')
  const third = next()
  renameSync(from.file, `${from.file}.1`)
  appendFileSync(`${from.file}.1`, entry(3, 'last of the old'))
  writeFileSync(from.file, entry(4, 'first of the new'))
  const rest = [await third, await next()]
  t.strictSame(rest, ['last of the old\n', 'first of the new\n'])
  runs = false
  appendFileSync(from.file, entry(5, 'end'))
  t.equal(await next(), 'end\n')
  t.equal((await following.next()).done, true)
})

t.test('following: as much as was wanted is the end', async t => {
  const following = readContainerLog(
    source(t, entry(1, 'one'), () => true),
    { ...all, follow: true, limitBytes: 4 },
    never,
  )
  t.equal((await following.next()).value?.toString(), 'one\n')
  t.equal((await following.next()).done, true)
})

t.test('following: the reader goes', async t => {
  const gone = new AbortController()
  const following = readContainerLog(
    source(t, entry(1, 'one'), () => true),
    { ...all, follow: true },
    gone.signal,
  )
  t.equal((await following.next()).value?.toString(), 'one\n')
  const waiting = following.next()
  gone.abort()
  await t.rejects(waiting, { name: 'AbortError' })
})

t.test('without the file', async t => {
  const from = { ...source(t, ''), file: '/nonexistent/0.log' }
  await t.rejects(readContainerLog(from, all, never).next(), {
    code: 'NOT_FOUND',
    message: /failed to open log file "\/nonexistent\/0.log"/,
  })
})
