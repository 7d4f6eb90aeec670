import t from 'tap'

import { parseLogLine } from '../../../../src/node/kubelet/log-line.js'

const parse = (text: string) => {
  const line = parseLogLine(Buffer.from(text))
  return line && { ...line, text: line.text.toString() }
}

const whole = {
  'a line': ['2026-11-23T22:25:00.252608609Z stdout F tick 352', '2026-11-23T22:25:00.252608609Z', 'stdout', true, 'tick 352'],
  'zeros that Go left away': ['2026-11-23T22:25:00.25Z stderr F x', '2026-11-23T22:25:00.250000000Z', 'stderr', true, 'x'],
  'a whole second': ['2026-11-23T22:25:00Z stdout F x', '2026-11-23T22:25:00.000000000Z', 'stdout', true, 'x'],
  'another zone': ['2026-11-23T22:25:00.5+02:00 stdout F x', '2026-11-23T22:25:00.500000000+02:00', 'stdout', true, 'x'],
  'a piece of a line': ['2026-11-23T22:25:00Z stdout P half ', '2026-11-23T22:25:00.000000000Z', 'stdout', false, 'half '],
  'tags to come': ['2026-11-23T22:25:00Z stdout F:new:more x', '2026-11-23T22:25:00.000000000Z', 'stdout', true, 'x'],
  'an empty line': ['2026-11-23T22:25:00Z stdout F ', '2026-11-23T22:25:00.000000000Z', 'stdout', true, ''],
  'an empty line without its space': ['2026-11-23T22:25:00Z stdout F', '2026-11-23T22:25:00.000000000Z', 'stdout', true, ''],
  'spaces of the text': ['2026-11-23T22:25:00Z stdout F   a  b ', '2026-11-23T22:25:00.000000000Z', 'stdout', true, '  a  b '],
} as const

for (const [name, [entry, time, stream, isWhole, text]] of Object.entries(whole)) {
  t.test(name, async t => t.strictSame(parse(entry), { timeMs: Date.parse(time), time, stream, isWhole, text }))
}

for (const torn of [
  '',
  ' ',
  'tick',
  '2026-11-23T22:25:00Z',
  '2026-11-23T22:25:00Z stdout',
  'yesterday stdout F x',
  '2026-11-23T22:25:00Z stdin F x',
  '2026-11-23T22:25:00Z stdout X x',
]) {
  t.test(`no entry: ${JSON.stringify(torn)}`, async t => t.equal(parse(torn), undefined))
}
