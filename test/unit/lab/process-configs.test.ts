import t from 'tap'

import { AgentConfig } from '../../../src/base/config/agent-config.js'
import { ServerConfig } from '../../../src/base/config/server-config.js'
import { localMachine } from '../../../src/kernel/local-machine.js'
import { agentConfig } from '../../../src/lab/agent-process.js'
import { LabSpec } from '../../../src/lab/lab-spec.js'
import { serverConfig } from '../../../src/lab/server-process.js'

const spec = LabSpec.parse({
  name: 'shop',
  nodes: [{ name: 'left', labels: { zone: 'a' } }, { name: 'right' }],
  services: { cidr: '10.97.0.0/16' },
  underlay: { subnet: '192.168.50.0/24', mtu: 9000 },
})

t.test('the server is told what the lab file fixes', async t => {
  const config = serverConfig(spec)
  t.strictSame(ServerConfig.parse(config), config)
  t.match(config, {
    clusterName: 'shop',
    listen: [{ fd: 3 }, { address: '192.168.50.2', port: 6443 }],
    advertise: { address: '192.168.50.2', port: 6443 },
    nodePodCidrs: { left: ['10.244.1.0/24'], right: ['10.244.2.0/24'] },
    serviceCidrs: ['10.97.0.0/16'],
  })
})

t.test('an agent is told what the lab file fixes', async t => {
  const config = agentConfig(spec, { role: 'node', host: { ...localMachine, name: 'left' }, address: '192.168.50.11', uplink: 'eth0' })
  t.strictSame(AgentConfig.parse(config), config)
  t.match(config, {
    nodeName: 'left',
    nodeAddress: '192.168.50.11',
    nodeLabels: { zone: 'a' },
    clusterDns: '10.97.0.10',
    underlayMtu: 9000,
    cgroupParent: '/podwire/shop/left',
  })
})
