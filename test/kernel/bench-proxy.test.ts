import t from 'tap'
import { proxyModes } from '../../src/bench/proxy-modes.js'
import { createServiceNodes } from '../../src/bench/service-nodes.js'
import { benchNode, changedSlice, serviceObjects } from '../../src/bench/service-objects.js'
import { proxyWorkload } from '../../src/bench/workloads/proxy.js'
import { builtProgram } from '../../src/kernel/built-program.js'
import { buildServiceState } from '../../src/service-model/build-service-state.js'

const signal = AbortSignal.timeout(100_000)
const context = { scale: 'quick', givenArms: new Map<string, string>(), say: () => {} } as const

t.test('a sample of every mode has every metric', async t => {
  const wanted = ['packets, 10 Services', 'full sync, 100 Services', 'one change, 100 Services']
  const cases = proxyWorkload.cases(context).filter(({ name }) => wanted.includes(name))
  t.equal(cases.length, wanted.length)
  for (const { name, metrics, baseline, prepare } of cases) {
    const { arms, missing = [], close } = await prepare(context, signal)
    try {
      t.ok(arms.some(arm => arm.name === baseline))
      for (const mode of Object.keys(proxyModes))
        t.ok([...arms.map(arm => arm.name), ...missing.map(({ arm }) => arm)].includes(mode), mode)
      for (const mode of ['iptables', 'nftables', "kube-proxy's nftables"])
        t.ok(
          arms.some(arm => arm.name === mode),
          `${name}: ${mode}`,
        )
      for (const arm of arms) {
        const sample = await arm.measure(signal)
        for (const metric of metrics) t.ok((sample[metric.name] ?? 0) > 0, `${name}: ${arm.name}: ${metric.name}`)
      }
    } finally {
      await close()
    }
  }
})

t.test('each mode sends to the servers what its Services say, and nothing without them', async t => {
  const objects = serviceObjects(3)
  const nodes = await createServiceNodes(signal)
  t.teardown(nodes.close)
  for (const [mode, rulesIn] of Object.entries(proxyModes)) {
    const { client, node, forgetFlows } = await nodes.add(signal)
    const rules = rulesIn(node.run)
    const reaches = async (verb: string): Promise<boolean> => {
      forgetFlows()
      const asked = await client.run([builtProgram('bench-tool'), verb, objects.asked.middle, '80', '3'], { signal, allowFailure: true })
      return asked.exitCode === 0
    }
    try {
      await rules.sync(buildServiceState({ ...objects, node: benchNode }), signal)
    } catch {
      continue // The other test sees that only those are missing that may be.
    }
    t.ok(await reaches('connect'), `${mode}: TCP`)
    t.ok(await reaches('flows'), `${mode}: UDP`)
    await rules.sync(
      buildServiceState({ ...objects, endpointSlices: objects.endpointSlices.with(1, changedSlice(1)), node: benchNode }),
      signal,
    )
    t.ok(await reaches('connect'), `${mode}: one endpoint less`)
    await rules.clear(signal)
    t.notOk(await reaches('flows'), `${mode}: gone`)
  }
})
