import { mkdir, writeFile } from 'node:fs/promises'

import type { Test } from 'tap'

import { serviceaccounts, services } from '../../src/api/generated/resources.js'
import { systemClock } from '../../src/base/time/clock.js'
import type { Client } from '../../src/client/client.js'
import { createClient } from '../../src/client/http-client.js'
import { createInformer } from '../../src/client/http-informer.js'
import { loadKubeconfig } from '../../src/client/kubeconfig.js'
import { packageRoot } from '../../src/kernel/built-program.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { nodeContainerdConfig, startContainerd } from '../../src/lab/containerd.js'
import { cloneTemplate, ensureContainerdTemplate } from '../../src/lab/images/containerd-template.js'
import { ensureImages } from '../../src/lab/images/ensure-images.js'
import { cacheDir, labPaths } from '../../src/lab/lab-paths.js'
import { labCgroup, type NetnsLabHost } from '../../src/lab/netns-substrate.js'
import { connectCri } from '../../src/node/kubelet/cri-connection.js'
import { criPodRuntime } from '../../src/node/kubelet/cri-pod-runtime.js'
import { createKubelet } from '../../src/node/kubelet/kubelet.js'
import type { KubeletConfig } from '../../src/node/kubelet/kubelet-config.js'
import type { PodRuntime } from '../../src/node/kubelet/pod-runtime.js'
import { withApiServer } from './api-server.js'
import { withTempHosts } from './temp-hosts.js'

/** A node with a real containerd whose kubelet runs in this process, against a real API server. */
export interface KubeletNode {
  readonly client: Client
  readonly kubeconfig: string
  readonly runtime: PodRuntime
  readonly config: KubeletConfig
  readonly node: NetnsLabHost
  /** Starts the kubelet; the function that comes back ends it, as a crash would: what runs goes on. */
  startKubelet(): () => Promise<void>
  startContainerd(): Promise<void>
}

const cniConfiguration = JSON.stringify({
  cniVersion: '1.0.0',
  name: 'podwire',
  plugins: [{ type: 'podwire' }],
})

/** Fills a host with a containerd that has our images, and starts it. */
export async function startNodeContainerd(node: NetnsLabHost, lab: string, signal: AbortSignal): Promise<void> {
  const options = { host: localMachine, distDir: `${packageRoot()}/dist` }
  const images = await ensureImages({ ...options, cacheDir: `${cacheDir}/images` }, signal)
  const template = await ensureContainerdTemplate(images, { host: localMachine, cacheDir: `${cacheDir}/containerd` }, signal)
  const { onHost } = labPaths(lab)
  const { name } = node.host
  await cloneTemplate(template, onHost(name, '/var/lib/containerd'), localMachine, signal)
  await writeFile(`${onHost(name, '/etc/containerd')}/config.toml`, nodeContainerdConfig())
  await mkdir(`${onHost(name, '/etc/cni')}/net.d`, { recursive: true })
  await writeFile(`${onHost(name, '/etc/cni')}/net.d/10-podwire.conflist`, cniConfiguration)
  await startContainerd(node.host, signal)
}

/** Runs `use` with such a node and leaves nothing behind. Its Pods must be on the node's network: no CNI plugin is installed. */
export async function withKubeletNode(t: Test, use: (node: KubeletNode) => Promise<void>): Promise<void> {
  await withApiServer(
    t,
    api =>
      withTempHosts(t, ['node-1'], async (hosts, spec) => {
        const node = hosts['node-1']!
        const stop = new AbortController()
        await startNodeContainerd(node, spec.name, stop.signal)
        const client = createClient(loadKubeconfig(api.kubeconfig))
        const cri = connectCri(`/proc/${node.host.pid}/root/run/containerd/containerd.sock`, systemClock)
        const runtime = criPodRuntime(cri)
        const { dir } = labPaths(spec.name)
        const config: KubeletConfig = {
          nodeName: 'node-1',
          nodeAddress: node.address,
          nodeLabels: {},
          clusterDns: '10.96.0.10',
          clusterDomain: 'cluster.local',
          cgroupParent: `${labCgroup(spec.name)}/node-1`,
          // The lab's folder is at the same place on the node and on this machine.
          rootDir: `${dir}/kubelet`,
          podLogsDir: `${dir}/pod-logs`,
          resolvConf: undefined,
        }
        try {
          await client.create(serviceaccounts, { metadata: { name: 'default', namespace: 'default' } })
          await use({
            client,
            kubeconfig: api.kubeconfig,
            runtime,
            config,
            node,
            startKubelet() {
              const kubeletStop = new AbortController()
              const signal = AbortSignal.any([stop.signal, kubeletStop.signal])
              const allServices = createInformer(client, services)
              const kubelet = createKubelet({
                config,
                client,
                runtime,
                services: allServices,
                host: node.host,
                clock: systemClock,
                log: {
                  info() {},
                  error: (facts, message) => t.comment(message, facts),
                  warn: (facts, message) => t.comment(message, facts),
                },
              })
              const running = Promise.all([kubelet.run(signal), allServices.run(signal)])
              return async () => {
                kubeletStop.abort()
                await running
              }
            },
            startContainerd: () => startContainerd(node.host, stop.signal).then(() => {}),
          })
        } finally {
          stop.abort()
          cri.close()
          client.close()
        }
      }),
    { disabledAdmissionPlugins: [] },
  )
}
