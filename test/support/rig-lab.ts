import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { type ApiResource, apiVersionOf } from '../../src/api/api-resource.js'
import { endpointslices, pods, services } from '../../src/api/generated/resources.js'
import { PodwireError } from '../../src/base/errors/podwire-error.js'
import type { ApiObject, Client } from '../../src/client/client.js'
import type { FlowLab } from '../../src/flow/flow-lab.js'
import type { Rig, RigPod } from './two-nodes.js'

/** Two hand-made nodes as a lab that flows can run on, with an API that knows their Pods and one Service. Its Service leads where it is pointed. */
export function rigLab(rig: Rig, dir: string): FlowLab & { point(to: RigPod | undefined): Promise<void> } {
  let endpoint: RigPod | undefined = rig.pods.near
  const podObjects = Object.values(rig.pods).map(podObject)
  const objects = (): Record<string, readonly ApiObject[]> => ({
    pods: podObjects,
    services: [serviceObject(rig)],
    endpointslices: [sliceObject(rig, endpoint)],
  })
  for (const pod of Object.values(rig.pods)) writeAttachment(dir, pod)
  const hosts = [
    ...Object.entries(rig.nodes).map(([name, host], i) => ({
      role: 'node' as const,
      host,
      address: `172.30.0.1${i + 1}`,
      uplink: 'eth0',
      cniStateDir: join(dir, name),
    })),
    { role: 'external' as const, host: rig.outside, address: '172.30.0.101', uplink: 'eth0', cniStateDir: join(dir, 'none') },
  ]
  return {
    hosts,
    client: readOnlyClient(objects),
    lab: { name: 'rig', substrate: 'netns', datapath: 'vxlan', proxy: 'iptables' },
    async point(to) {
      endpoint = to
      await rig.pointService(to)
    },
  }
}

function writeAttachment(dir: string, pod: RigPod): void {
  const folder = join(dir, pod.node, 'attachments')
  mkdirSync(folder, { recursive: true })
  const attachment = {
    containerId: pod.name,
    ifname: 'eth0',
    netns: pod.netns.path,
    podNamespace: 'default',
    podName: pod.name,
    podUid: pod.name,
    hostVeth: pod.veth,
    mac: pod.mac,
    addresses: [`${pod.ip}/24`],
    gateway: pod.ip.replace(/\d+$/, '1'),
  }
  writeFileSync(join(folder, `${pod.name}-eth0.json`), JSON.stringify(attachment))
}

const podObject = ({ name, node, ip }: RigPod): ApiObject =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'default', name, labels: { app: name === 'client' ? 'client' : 'echo' } },
    spec: { nodeName: node, containers: [] },
    status: { podIP: ip, conditions: [{ type: 'Ready', status: 'True' }] },
  }) as ApiObject

const serviceObject = ({ service }: Rig): ApiObject =>
  ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name: 'echo' },
    spec: {
      clusterIP: service.ip,
      ports: [{ name: 'http', port: service.port, targetPort: service.targetPort, nodePort: service.nodePort, protocol: 'TCP' }],
    },
  }) as ApiObject

const sliceObject = ({ service }: Rig, to: RigPod | undefined): ApiObject =>
  ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'default', name: 'echo-1', labels: { 'kubernetes.io/service-name': 'echo' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: service.targetPort, protocol: 'TCP' }],
    endpoints: to === undefined ? [] : [{ addresses: [to.ip], conditions: { ready: true } }],
  }) as ApiObject

/** Answers get and list, label selectors of the form `a=b` included; refuses the rest. */
function readOnlyClient(objects: () => Record<string, readonly ApiObject[]>): Client {
  const of = (resource: ApiResource): readonly ApiObject[] => objects()[resource.resource] ?? []
  const refuse = (): never => {
    throw new PodwireError('API_REFUSED', 'this API only reads')
  }
  const known = new Set([pods, services, endpointslices].map(resource => `${apiVersionOf(resource)} ${resource.resource}`))
  return {
    server: 'https://rig.invalid',
    async get(resource, { namespace, name }) {
      const found = of(resource).find(({ metadata }) => metadata?.name === name && metadata.namespace === namespace)
      if (found === undefined) throw new PodwireError('NOT_FOUND', `${resource.resource} ${namespace}/${name} not found`)
      return found as never
    },
    async list(resource, { namespace, labelSelector = '' } = {}) {
      if (!known.has(`${apiVersionOf(resource)} ${resource.resource}`)) return { metadata: {}, items: [] }
      const wanted = labelSelector === '' ? [] : labelSelector.split(',').map(term => term.split('=') as [string, string])
      const items = of(resource).filter(
        ({ metadata }) =>
          (namespace === undefined || metadata?.namespace === namespace) &&
          wanted.every(([key, value]) => metadata?.labels?.[key] === value),
      )
      return { metadata: { resourceVersion: '1' }, items: items as never }
    },
    watch: refuse,
    create: refuse,
    createSub: refuse,
    update: refuse,
    updateStatus: refuse,
    patch: refuse,
    delete: refuse,
    raw: refuse,
    close() {},
  }
}
