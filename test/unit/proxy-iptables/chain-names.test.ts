import t from 'tap'

import { parseIp } from '../../../src/base/net/address.js'
import { chainNames, endpointChain, endpointText, isServiceChain } from '../../../src/proxy-iptables/chain-names.js'
import { buildServiceState } from '../../../src/service-model/build-service-state.js'
import { testNode, testService } from '../../support/service-objects.js'

const portOf = (name: string, ports = [{ name: 'p80', port: 80 }]) =>
  [
    ...buildServiceState({
      services: [testService({ name, clusterIP: '10.0.0.1', ports })],
      endpointSlices: [],
      node: testNode,
    }).ports.values(),
  ][0]!

t.test("the names are kube-proxy's", async t => {
  // As kube-proxy's own tests and every cluster's `iptables-save` show them.
  t.equal(chainNames(portOf('ns1/svc1')).cluster, 'KUBE-SVC-XPGD46QRK7WJZT7O')
  t.equal(chainNames(portOf('ns2/svc2')).external, 'KUBE-EXT-GNZBNJ2PO5MGZ6GT')
  t.equal(chainNames(portOf('ns5/svc5')).firewall, 'KUBE-FW-NUKIZ6OKUXPJNT4C')
  t.equal(chainNames(portOf('default/kubernetes', [{ name: 'https', port: 443 }])).local, 'KUBE-SVL-NPX46M4PTMTKRN6Y')
  const endpoint = { address: parseIp('10.180.0.5'), port: 80, isLocal: false }
  t.equal(endpointChain(portOf('ns4/svc4'), endpoint), 'KUBE-SEP-C6EBXVWJJZMIWKLZ')
})

t.test('IPv6 endpoints are written in brackets', async t => {
  t.equal(endpointText({ address: parseIp('fd00::5'), port: 80, isLocal: false }), '[fd00::5]:80')
})

t.test('only chains of the exact form are ours', async t => {
  t.ok(isServiceChain('KUBE-SVL-NPX46M4PTMTKRN6Y'))
  for (const other of [
    'KUBE-SVC-MINE',
    'KUBE-KUBELET-CANARY',
    'KUBE-SVC-npx46m4ptmtkrn6y',
    'KUBE-SVC-NPX46M4PTMTKRN6YA',
    'X-KUBE-SVC-NPX46M4PTMTKRN6Y',
  ]) {
    t.notOk(isServiceChain(other), other)
  }
})
