import t from 'tap'

import type { Container } from '../../../../src/api/generated/types.js'
import { buildContainerResources, qosClassOf } from '../../../../src/node/kubelet/resources.js'

const gibibyte = 1024 ** 3
type Resources = NonNullable<Container['resources']>
const podOf = (...all: readonly Resources[]) => ({ spec: { containers: all.map((resources, i) => ({ name: `c${i}`, resources })) } })

t.test('quality of service', async t => {
  const full = { cpu: '1', memory: '1Gi' }
  t.equal(qosClassOf(podOf({}, {})), 'BestEffort')
  t.equal(qosClassOf(podOf({ limits: full })), 'Guaranteed', 'requests default to limits')
  t.equal(qosClassOf(podOf({ limits: full, requests: { cpu: '1000m', memory: '1024Mi' } })), 'Guaranteed', 'equal amounts')
  t.equal(qosClassOf(podOf({ limits: full, requests: { cpu: '0.5' } })), 'Burstable')
  t.equal(qosClassOf(podOf({ limits: full }, {})), 'Burstable', 'every container counts')
  t.equal(qosClassOf(podOf({ requests: { cpu: '1m' } })), 'Burstable')
})

t.test('shares of the node in the units of cgroups', async t => {
  const of = (resources: Resources) => {
    const pod = podOf(resources)
    return buildContainerResources(pod, pod.spec.containers[0]!, 4 * gibibyte)
  }
  t.same(of({}), { cpuShares: 2, cpuQuotaUs: 0, memoryLimit: 0, oomScoreAdj: 1000 })
  t.same(of({ limits: { cpu: '1500m', memory: '64Mi' } }), {
    cpuShares: 1536,
    cpuQuotaUs: 150_000,
    memoryLimit: 64 * 1024 ** 2,
    oomScoreAdj: -997,
  })
  t.same(of({ requests: { memory: '1Gi', cpu: '250m' } }), { cpuShares: 256, cpuQuotaUs: 0, memoryLimit: 0, oomScoreAdj: 750 })
  t.equal(of({ limits: { cpu: '1m' } }).cpuQuotaUs, 1000, 'no less than the kernel takes')
})
