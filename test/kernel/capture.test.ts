import t, { type Test } from 'tap'

import { decodePacket } from '../../src/base/net/decode-packet.js'
import { ipOf, linkTypes } from '../../src/base/net/packet.js'
import { startProber } from '../../src/flow/prober.js'
import { type Capture, captureArgv, type InterfaceFrame, startCapture } from '../../src/kernel/capture.js'
import type { Host } from '../../src/kernel/host.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { createNetns } from '../../src/kernel/netns.js'
import { probeArgv } from '../support/two-nodes.js'

const signal = AbortSignal.timeout(60_000)

async function twoEnds(t: Test): Promise<{ left: Host; right: Host }> {
  const [a, b] = [createNetns(), createNetns()]
  t.teardown(() => {
    a.close()
    b.close()
  })
  const left = localMachine.enter(a.path)
  const right = localMachine.enter(b.path)
  await left.run(['ip', '-batch', '-'], {
    input: `link add v0 type veth peer name v0 netns ${b.path}\nlink set v0 up\nlink set lo up\naddr add 10.9.0.1/24 dev v0\n`,
  })
  await right.run(['ip', '-batch', '-'], { input: 'link set v0 up\nlink set lo up\naddr add 10.9.0.2/24 dev v0\n' })
  return { left, right }
}
async function started(
  t: Test,
  host: Host,
  filter: string,
  frames: InterfaceFrame[],
  maxFrames = 1000,
  proofTimeoutMs = 5_000,
): Promise<{ capture: Capture; prove(): Promise<void>; perform: ReturnType<typeof startProber>['perform'] }> {
  const prober = startProber(host, probeArgv, signal)
  t.teardown(() => prober.stop())
  const capture = await startCapture(host, { filter, onFrame: frame => frames.push(frame), maxFrames, proofTimeoutMs }, signal)
  t.teardown(() => capture.stop())
  const prove = () => capture.prove(payload => prober.perform({ do: 'mark', payload }, signal).then(() => {}), signal)
  return { capture, prove, perform: prober.perform }
}

t.test('frames with interface and direction, complete when proven, proofs kept out', async t => {
  const { left, right } = await twoEnds(t)
  const [leftFrames, rightFrames]: [InterfaceFrame[], InterfaceFrame[]] = [[], []]
  const l = await started(t, left, 'udp', leftFrames)
  const r = await started(t, right, 'udp', rightFrames)
  await Promise.all([l.prove(), r.prove()])
  const task = { do: 'udp', address: '10.9.0.2', port: 9, sourcePort: 20_001, timeoutMs: 1000, payload: 'hello' } as const
  t.match(await l.perform(task, signal), { outcome: 'refused' }, 'nobody listens there')
  await Promise.all([l.prove(), r.prove()])
  for (const [frames, capture, direction] of [
    [leftFrames, l.capture, 'out'],
    [rightFrames, r.capture, 'in'],
  ] as const) {
    t.equal(frames.length, 1)
    const [frame] = frames
    t.equal(frame?.direction, direction)
    t.equal(capture.interfaceName(frame!.ifindex), 'v0')
    const packet = decodePacket(frame!.bytes, linkTypes.sll2)
    t.match(ipOf(packet), { src: '10.9.0.1', dst: '10.9.0.2' })
    t.match(packet.transport, { kind: 'udp', sport: 20_001, dport: 9 })
  }
  t.ok(leftFrames[0]!.timeNs < rightFrames[0]!.timeNs, 'one clock, in order')
  t.same(await l.capture.stop(), { frames: 1, lost: 0 })
})

t.test('never promiscuous', async t => {
  const { left } = await twoEnds(t)
  t.ok(captureArgv('ip', 512).includes('-p'))
  const { prove } = await started(t, left, 'ip', [])
  await prove()
  const { stdout } = await left.run(['ip', '-d', '-j', 'link', 'show', 'v0'])
  t.equal((JSON.parse(stdout) as { promiscuity: number }[])[0]?.promiscuity, 0)
})

t.test('a capture whose proof is not seen is refused', async t => {
  const { left } = await twoEnds(t)
  const { capture } = await started(t, left, 'ip', [], 10, 100)
  await t.rejects(
    capture.prove(async () => {}, AbortSignal.any([signal])),
    { code: 'CAPTURE_FAILED' },
    'nothing was sent, so nothing is proven',
  )
})

t.test('a filter that is none is told in the words of tcpdump', async t => {
  const { left } = await twoEnds(t)
  await t.rejects(startCapture(left, { filter: 'no such filter', onFrame: () => {} }, signal), {
    code: 'CAPTURE_FAILED',
    message: /syntax error|parse filter/,
  })
})

t.test('what is beyond the limit counts as lost', async t => {
  const { left } = await twoEnds(t)
  const frames: InterfaceFrame[] = []
  const { capture, prove, perform } = await started(t, left, 'udp', frames, 2)
  for (let i = 0; i < 5; i++) {
    await perform({ do: 'udp', address: '10.9.0.2', port: 9, sourcePort: 20_010 + i, timeoutMs: 1000, payload: 'x' }, signal)
  }
  await prove()
  t.equal(frames.length, 2)
  t.same(await capture.stop(), { frames: 2, lost: 3 })
})
