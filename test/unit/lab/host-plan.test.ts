import t from 'tap'

import { gatewayAddress, nodePodCidrs, planHosts } from '../../../src/lab/host-plan.js'
import { defaultLab, LabSpec } from '../../../src/lab/lab-spec.js'

t.test('the default lab has the addresses that the documentation shows', async t => {
  t.strictSame(planHosts(defaultLab()), [
    { name: 'control-plane', role: 'control-plane', address: '172.30.0.2', mac: '02:50:ac:1e:00:02' },
    { name: 'node-1', role: 'node', address: '172.30.0.11', mac: '02:50:ac:1e:00:0b' },
    { name: 'node-2', role: 'node', address: '172.30.0.12', mac: '02:50:ac:1e:00:0c' },
    { name: 'node-3', role: 'node', address: '172.30.0.13', mac: '02:50:ac:1e:00:0d' },
    { name: 'ext1', role: 'external', address: '172.30.0.101', mac: '02:50:ac:1e:00:65' },
  ])
  t.equal(gatewayAddress(defaultLab()), '172.30.0.1')
  t.strictSame(nodePodCidrs(defaultLab()), { 'node-1': '10.244.1.0/24', 'node-2': '10.244.2.0/24', 'node-3': '10.244.3.0/24' })
})

t.test('the largest lab has an address and a Pod range for every host', async t => {
  const spec = LabSpec.parse({ nodes: 90, externals: Array.from({ length: 100 }, (_, i) => ({ name: `ext${i}` })) })
  const addresses = planHosts(spec).map(({ address }) => address)
  t.equal(new Set(addresses).size, 191)
  t.equal(new Set(Object.values(nodePodCidrs(spec))).size, 90)
})
