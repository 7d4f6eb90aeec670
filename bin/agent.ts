/** Everything of one node but its runtime: agent.js --config FILE (JSON, see src/base/config/agent-config.ts). */
import { existsSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { pino } from 'pino'

import { AgentConfig, nodePaths } from '../src/base/config/agent-config.js'
import { systemClock } from '../src/base/time/clock.js'
import { createClient } from '../src/client/http-client.js'
import { loadKubeconfig } from '../src/client/kubeconfig.js'
import { packageRoot } from '../src/kernel/built-program.js'
import { execBird } from '../src/kernel/exec-bird.js'
import { execConntrack } from '../src/kernel/exec-conntrack.js'
import { execIpset } from '../src/kernel/exec-ipset.js'
import { execIptables } from '../src/kernel/exec-iptables.js'
import { execNftables } from '../src/kernel/exec-nftables.js'
import { localMachine } from '../src/kernel/local-machine.js'
import { openIpvs } from '../src/kernel/netlink-ipvs.js'
import { openRtnetlink } from '../src/kernel/netlink-rtnetlink.js'
import { ensureSysctl, kernelSysctls } from '../src/kernel/sysctl.js'
import { iptablesPolicy } from '../src/netpol/iptables-backend.js'
import { nftablesPolicy } from '../src/netpol/nftables-backend.js'
import { startAgent } from '../src/node/agent/agent.js'
import { connectCri } from '../src/node/kubelet/cri-connection.js'
import { criPodRuntime } from '../src/node/kubelet/cri-pod-runtime.js'
import { criStreaming } from '../src/node/kubelet/cri-streaming.js'
import { createKubelet } from '../src/node/kubelet/kubelet.js'
import type { ProxyMember } from '../src/node/proxy/proxy-switch.js'
import { hasCanaries, iptablesProxy } from '../src/proxy-iptables/backend.js'
import { ipvsProxy } from '../src/proxy-ipvs/backend.js'
import { nftablesProxy } from '../src/proxy-nftables/backend.js'

const { values: options } = parseArgs({ options: { config: { type: 'string' } } })
const config = AgentConfig.parse(JSON.parse(readFileSync(options.config ?? nodePaths.agentConfig, 'utf8')))

const read = (file: string): string => readFileSync(file, 'utf8')

const log = pino({ name: 'agent', level: config.logLevel })
const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort())

const client = createClient(loadKubeconfig(config.kubeconfig))
const iptables = execIptables(localMachine.run)
const nftables = execNftables(localMachine.run)
const ipset = execIpset(localMachine.run)
const rtnetlink = openRtnetlink()
const cri = connectCri(config.containerd.socket, systemClock)
const dist = `${packageRoot()}/dist`
const forwarder = existsSync(`${dist}/cni-forward`) ? `${dist}/cni-forward` : undefined

const agent = await startAgent(
  config,
  {
    client,
    stack: { enter: fn => fn(), rtnetlink, iptables, ip6tables: execIptables(localMachine.run, 6), run: localMachine.run },
    bird: execBird(localMachine.run, { config: nodePaths.birdConfig, configHere: nodePaths.birdConfig, socket: nodePaths.birdSocket }),
    proxies: [4 as const, 6 as const].flatMap((family): readonly ProxyMember[] => {
      const conntrack = execConntrack(localMachine.run, family)
      const iptables = execIptables(localMachine.run, family)
      return [
        {
          mode: 'iptables',
          family,
          backend: iptablesProxy({ iptables, conntrack, ensureSysctl }),
          isIntact: signal => hasCanaries(iptables, signal),
        },
        {
          mode: 'ipvs',
          family,
          backend: ipvsProxy({ openIpvs, ipset, iptables, rtnetlink, sysctls: kernelSysctls(), conntrack }, { family }),
        },
        { mode: 'nftables', family, backend: nftablesProxy({ nftables, conntrack, family }) },
      ]
    }),
    policies: [
      { mode: 'nftables', backend: nftablesPolicy(nftables) },
      { mode: 'iptables', backend: iptablesPolicy({ ipset, iptables: { 4: iptables, 6: execIptables(localMachine.run, 6) } }) },
    ],
    createKubelet: services =>
      createKubelet({
        config: {
          nodeName: config.nodeName,
          nodeAddress: config.nodeAddress,
          furtherAddresses: config.underlay.slice(1).map(({ address }) => address),
          nodeLabels: config.nodeLabels,
          clusterDns: config.clusterDns,
          clusterDomain: config.clusterDomain,
          cgroupParent: config.cgroupParent,
          rootDir: '/var/lib/kubelet',
          podLogsDir: '/var/log/pods',
          resolvConf: undefined,
        },
        client,
        runtime: criPodRuntime(cri),
        services,
        host: localMachine,
        clock: systemClock,
        log,
        serving: {
          port: config.serving.port,
          tls: {
            ca: read(config.serving.caFile),
            cert: read(config.serving.certFile),
            key: read(config.serving.keyFile),
            client: config.serving.client,
          },
          streaming: criStreaming(cri),
        },
      }),
    programs: { forwarder, plugin: `${dist}/cni.js`, node: process.execPath },
    clock: systemClock,
    log,
  },
  stop.signal,
)
log.info({ node: config.nodeName, startedInMs: Math.round(performance.now()) }, 'running')

await agent.stopped
client.close()
cri.close()
log.info('stopped')
