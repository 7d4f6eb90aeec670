import t from 'tap'

import { tableLookups } from '../../../../src/flow/explain/table-lookups.js'
import type { Host } from '../../../../src/kernel/host.js'
import { echoHost } from '../../../support/fake-parts.js'
import { liveSnapshot } from '../../../support/live-lab.js'

/** As nft prints what it was asked for. */
const elements = `table ip kube-proxy {
	map service-endpoints-tcp {
		type ipv4_addr . inet_service . integer : ipv4_addr . inet_service
		elements = { 10.96.0.10 . 80 . 0 : 10.244.1.3 . 8080,
			     10.96.0.10 . 80 . 1 : 10.244.2.7 . 8080 }
	}
}
`

t.test('the element by which a rule of nftables found the new destination', async t => {
  const asked: string[] = []
  const answering: Host = {
    ...echoHost('node-1'),
    run: async argv => {
      asked.push(argv.join(' '))
      return { stdout: elements, stderr: '', exitCode: 0 }
    },
  }
  const { facts } = liveSnapshot()
  const hosts = new Map([['node-1', { ...facts.hosts.get('node-1')!, host: answering }]])
  const lookups = tableLookups({ ...facts, hosts }, new AbortController().signal)
  const rule = {
    family: 'ip',
    table: 'kube-proxy',
    text: 'dnat ip to ip daddr . tcp dport . numgen random mod 2 map @service-endpoints-tcp',
    before: { dst: '10.96.0.10', dport: 80 },
    after: { dst: '10.244.2.7', dport: 8080 },
  }
  t.equal(await lookups.mapElement('node-1', rule), '10.96.0.10 . 80 . 1 : 10.244.2.7 . 8080 in ip kube-proxy service-endpoints-tcp')
  t.strictSame(asked, ['nft get element ip kube-proxy service-endpoints-tcp { 10.96.0.10 . 80 . 0, 10.96.0.10 . 80 . 1 }'])
  t.equal(await lookups.mapElement('node-1', { ...rule, after: { dst: '10.244.9.9', dport: 8080 } }), undefined, 'another destination')
  t.equal(await lookups.mapElement('node-1', { ...rule, text: 'dnat to 10.244.2.7:8080' }), undefined, 'no map')
  t.equal(asked.length, 2, 'for a rule without a map nothing is asked')
})
