import t from 'tap'
import { formatRun } from '../../../src/cli/run-formats.js'
import { flowSummary, isPassed, textLadder } from '../../../src/cli/text-ladder.js'
import { sampleRun } from '../../support/sample-run.js'

const [passing, failing] = sampleRun.flows
const plain = (text: string) => text

t.test('a ladder in text names what changed and nothing else', async t => {
  const lines = textLadder(passing!, plain).split('\n')
  t.equal(lines[0], 'pass clusterip-other-node  client → svc, HTTP GET /')
  t.match(lines[1], /^ {2}path {2}client:eth0 +out {2}10\.244\.1\.5:41234 → 10\.96\.12\.7:80 TCP SYN ttl 64$/)
  t.match(lines[2], /^ +client\.node:veth +in {3}unchanged$/)
  t.match(lines[3], /^ +client\.node:bridge +in {3}dst 10\.96\.12\.7:80 → 10\.244\.2\.9:8080$/)
  t.match(lines[10], /^ {2}reply /)
})

t.test('a failed flow shows what is missing, what is forbidden, and the finding with its frame', async t => {
  const text = textLadder(failing!, plain)
  t.match(text, /server\.node:vxlan +in +missing: 10\.244\.1\.5:41234 → 10\.244\.2\.9:8080 decapsulated/)
  t.match(text, /client:eth0 +in +forbidden: /)
  t.match(text, 'fail flows/clusterip.flow.yaml:14:7 The packet did not arrive at server.node:vxlan.')
  t.match(text, 'nearest packet seen: node-2 eth0 in: 172.30.0.11 → 172.30.0.12 UDP 4789 bad checksum (frame 6)')
})

t.test('the closing line counts what passed, failed, could not tell and was skipped', async t => {
  t.equal(flowSummary({ ...sampleRun, flows: [passing!] }), 'flows: 1 passed, 0 failed')
  t.equal(flowSummary(sampleRun), 'flows: 1 passed, 1 failed, 1 could not tell, 1 skipped')
})

t.test('a run passes only if nothing failed or was unclear, and something was proven', async t => {
  const verdicts = (...wanted: readonly string[]) =>
    isPassed({ ...sampleRun, flows: sampleRun.flows.filter(({ verdict }) => wanted.includes(verdict)) })
  t.equal(verdicts('pass', 'skip'), true)
  t.equal(verdicts('pass', 'fail'), false)
  t.equal(verdicts('pass', 'error'), false)
  t.equal(verdicts('skip'), false)
  t.equal(verdicts(), false)
})

t.test('the table ends with the closing line and is colourless when asked', async t => {
  t.match(formatRun(sampleRun, 'table', false), /\nflows: 1 passed, 1 failed, 1 could not tell, 1 skipped\n$/)
  t.notMatch(formatRun(sampleRun, 'table', false), '\x1b')
  t.match(formatRun(sampleRun, 'table', true), '\x1b[31mfail')
})

t.test('junit: counts, and one element a verdict', async t => {
  const text = formatRun(sampleRun, 'junit', true)
  t.match(text, '<testsuite name="podwire" tests="4" failures="1" errors="1" skipped="1"')
  t.match(text, '<failure message="The packet did not arrive at server.node:vxlan.">')
  t.match(text, '<skipped message="the lab enforces no network policy"/>')
  t.match(text, '<error message="the capture on node-3 was not proven alive">')
  t.notMatch(text, /<offload|\x1b/)
})

t.test('tap: a plan, one line a flow, and diagnostics that are no results', async t => {
  const lines = formatRun(sampleRun, 'tap', true).split('\n')
  t.strictSame(
    lines.filter(line => /^(not )?ok|^1\.\./.test(line)),
    [
      '1..4',
      'ok 1 - clusterip-other-node',
      'not ok 2 - clusterip-reply-skips-conntrack',
      'ok 3 - policy-deny # SKIP the lab enforces no network policy',
      'not ok 4 - capture-dead',
    ],
  )
})

t.test('github: an annotation at the line of each assertion that failed', async t => {
  const lines = formatRun(sampleRun, 'github', true).trimEnd().split('\n')
  t.ok(
    lines.some(line => line.startsWith(`::error file=flows/clusterip.flow.yaml,line=14,col=7,title=${failing!.name}::`)),
    lines.join('\n'),
  )
  t.ok(
    lines.some(line => line.startsWith('::notice title=')),
    'what was skipped is told',
  )
  t.equal(lines.at(-1), flowSummary(sampleRun))
  const odd = { ...failing!, name: 'a:b,c', findings: [{ severity: 'fail' as const, message: '50%\nlost' }] }
  t.match(formatRun({ ...sampleRun, flows: [odd] }, 'github', false), '::error title=a%3Ab%2Cc::50%25%0Alost\n')
})
