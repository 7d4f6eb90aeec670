import t from 'tap'
import type { LadderStep } from '../../../src/base/results/run-record.js'
import { layOutLadder, sizes } from '../../../src/report/ladder-layout.js'
import { crossNodeLadder, sampleRun, seenSteps } from '../../support/sample-run.js'

const laneNames = (ladder: readonly LadderStep[]) =>
  layOutLadder({ ladder: [...ladder] }).boxes.map(({ name, lanes }) => [name, ...lanes.map(({ title }) => title)])

t.test('lanes stand in the order in which packets pass them, a box a host', async t => {
  t.strictSame(laneNames(crossNodeLadder), [
    ['node-1', 'eth0', 'veth1a2b3c4d', 'cni0', 'vxlan0', 'eth0'],
    // The answer passes the bridge, which the question did not: it stands between the two neighbours, not at the end.
    ['node-2', 'eth0', 'vxlan0', 'cni0', 'veth55aa66bb', 'eth0'],
  ])
})

t.test('an interface that a packet leaves and enters again has one lane', async t => {
  const hop = { host: 'node-1', interface: 'cni0', summary: '', at: 'client.node:bridge' } as const
  t.strictSame(
    laneNames(
      seenSteps('path', 1, [
        { ...hop, dir: 'in' },
        { ...hop, dir: 'out' },
      ]),
    ),
    [['node-1', 'cni0']],
  )
})

t.test('a step that nobody saw stands at the place of its role, in the box of its host', async t => {
  const missing = (at: string): LadderStep => ({ kind: 'missing', leg: 'path', at, dir: 'in' })
  const question = crossNodeLadder.slice(0, 6)
  t.strictSame(laneNames([...question, missing('client:eth0')]).length, 2, 'a place seen elsewhere')
  t.strictSame(
    laneNames([...question, missing('server.node:vxlan')]).at(-1),
    ['node-2', 'eth0', 'vxlan'],
    'another interface of a known role',
  )
  t.strictSame(laneNames([...question, missing('server:eth0')]).at(-1), ['node-2', 'eth0', 'eth0'], 'the Pod of a known node')
  t.strictSame(laneNames([...question, missing('door:uplink')]).at(-1), ['door', 'uplink'], 'nothing known: a box of its own')
})

t.test('time runs downwards, nothing overlaps, all is inside the picture', async t => {
  for (const flow of sampleRun.flows) {
    const { legs, boxes, width, height } = layOutLadder(flow)
    const rungs = legs.flatMap(leg => leg.rungs)
    const chips = rungs.flatMap(rung => rung.chips)
    t.equal(rungs.length, flow.ladder.length)
    for (const [i, rung] of rungs.entries()) t.ok(i === 0 || rung.y - rungs[i - 1]!.y >= sizes.rowHeight, `${flow.name} row ${i}`)
    for (const [i, box] of boxes.entries()) t.ok(i === 0 || box.x >= boxes[i - 1]!.x + boxes[i - 1]!.width, `${flow.name} box ${box.name}`)
    for (const chip of chips) t.ok(chip.x + chip.width <= width && chip.y + chip.height <= height, `${flow.name} ${chip.lines.join(' ')}`)
    const tops = chips.map(({ x, y, width, height }) => ({ x, y: y - sizes.chipHeight / 2, width, height }))
    const overlaps = tops.filter((a, i) =>
      tops.slice(0, i).some(b => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height),
    )
    t.strictSame(overlaps, [], flow.name)
  }
})

t.test('long texts wrap between words and lose nothing', async t => {
  const expected = `${'a-long-name-of-a-pod '.repeat(9)}${'x'.repeat(200)}`
  const { legs } = layOutLadder({ ladder: [{ kind: 'missing', leg: 'path', at: 'client:eth0', dir: 'out', expected }] })
  const [chip] = legs[0]!.rungs[0]!.chips
  t.ok(chip!.lines.length > 4)
  t.equal(chip!.lines.join(' ').replaceAll(' ', ''), `not seen: ${expected}`.replaceAll(' ', ''))
})
