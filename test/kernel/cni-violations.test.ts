import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'

import { runConformance } from '../../src/cni-conformance/run-conformance.js'
import { parseNetworkList } from '../../src/cni-conformance/subject.js'
import { type DebianPlugin, debianPlugins, knownViolations } from '../suites/cni-violations.js'

const signal = AbortSignal.timeout(110_000)

const confs: Readonly<Record<DebianPlugin, (ipam: object) => readonly object[]>> = {
  bridge: ipam => [{ type: 'bridge', bridge: 'cnit0', isGateway: true, ipMasq: true, capabilities: { mac: true, ips: true }, ipam }],
  ptp: ipam => [{ type: 'ptp', ipMasq: true, capabilities: { ips: true }, ipam }],
  'host-local': ipam => [{ type: 'host-local', capabilities: { ips: true }, ipam }],
  portmap: ipam => [
    { type: 'bridge', bridge: 'cnit0', isGateway: true, ipam },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
}

for (const plugin of debianPlugins) {
  t.test(`Debian's ${plugin} breaks exactly the rules that it is known to break`, async t => {
    const dataDir = mkdtempSync(join(tmpdir(), 'podwire-conf-'))
    t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))
    const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet: '10.88.1.0/29' }]], routes: [{ dst: '0.0.0.0/0' }] }
    const text = JSON.stringify({ cniVersion: '1.0.0', name: `debian-${plugin}`, plugins: confs[plugin](ipam) })
    const subject = { file: `/usr/lib/cni/${plugin}`, list: parseNetworkList(text, plugin) }
    const outcomes = await runConformance({ subject }, signal)
    const broken = outcomes.filter(({ verdict }) => verdict === 'fail' || verdict === 'error')
    for (const { id, findings } of broken) t.comment(`${id}: ${findings.join('; ')}`)
    t.strictSame(
      broken.map(({ id }) => id),
      Object.keys(knownViolations[plugin]),
    )
    t.ok(outcomes.filter(({ verdict }) => verdict === 'pass').length > 25)
  })
}
