import { isPodwireError } from '../../base/errors/podwire-error.js'
import { localMachine } from '../../kernel/local-machine.js'
import { createNetns } from '../../kernel/netns.js'
import { buildServiceState } from '../../service-model/build-service-state.js'
import { type ModeRules, missingModes, proxyModes } from '../proxy-modes.js'
import { benchNode, changedSlice, type ServiceObjects, serviceObjects } from '../service-objects.js'
import { type Arm, type BenchCase, type Scale, timed } from '../workload.js'

const sizes: Readonly<Record<Scale, readonly number[]>> = {
  quick: [100, 1_000],
  default: [100, 1_000, 5_000],
  full: [100, 1_000, 5_000, 10_000, 30_000],
}
const rounds: Readonly<Record<Scale, number>> = { quick: 5, default: 7, full: 10 }
const time = 'time'

/** What it costs to bring Services into the kernel: model, plan and what applies it. */
export const programmingCases = (scale: Scale): readonly BenchCase[] =>
  sizes[scale].flatMap(count => [
    programmingCase({ name: 'full sync', count, scale, baseline: "kube-proxy's nftables", measureWith: fullSync }),
    programmingCase({ name: 'one change', count, scale, baseline: 'iptables', measureWith: oneChange }),
  ])

type MeasureWith = (rules: ModeRules, objects: ServiceObjects, signal: AbortSignal) => Promise<(signal: AbortSignal) => Promise<number>>

interface ProgrammingCase {
  readonly name: string
  readonly count: number
  readonly scale: Scale
  readonly baseline: string
  readonly measureWith: MeasureWith
}

function programmingCase({ name, count, scale, baseline, measureWith }: ProgrammingCase): BenchCase {
  return {
    name: `${name}, ${count} Services`,
    part: 'programming',
    parameters: { services: count },
    metrics: [timed(time, 'ms')],
    baseline,
    rounds: rounds[scale],
    async prepare({ say }, signal) {
      const objects = serviceObjects(count)
      const made: { close(): void }[] = []
      const close = async (): Promise<void> => {
        for (const netns of made) netns.close()
      }
      const arms: Arm[] = []
      const missing: { readonly arm: string; readonly why: string }[] = []
      try {
        for (const [mode, rulesIn] of Object.entries(proxyModes)) {
          say(`preparing ${mode}`)
          const netns = createNetns()
          made.push(netns)
          try {
            const measure = await measureWith(rulesIn(localMachine.enter(netns.path).run), objects, signal)
            arms.push({ name: mode, measure: async each => ({ [time]: await measure(each) }) })
          } catch (error) {
            if (!isPodwireError(error, 'KERNEL_REFUSED') && !isPodwireError(error, 'COMMAND_MISSING')) throw error
            missing.push({ arm: mode, why: error.message })
          }
        }
        return { arms, missing: [...missing, ...missingModes], close }
      } catch (error) {
        await close()
        throw error
      }
    },
  }
}

/** Nothing is known and nothing is in the kernel. */
const fullSync: MeasureWith = async (rules, objects, signal) => {
  const run = async (each: AbortSignal): Promise<number> => {
    const start = performance.now()
    await rules.sync(buildServiceState({ ...objects, node: benchNode }), each)
    const elapsed = performance.now() - start
    await rules.clear(each)
    return elapsed
  }
  await run(signal)
  return run
}

/** One Service in the middle loses an endpoint, and gets it back the next time. */
const oneChange: MeasureWith = async (rules, objects, signal) => {
  const changed = Math.floor(objects.services.length / 3)
  const slices = (isChanged: boolean) => (isChanged ? objects.endpointSlices.with(changed, changedSlice(changed)) : objects.endpointSlices)
  let state = buildServiceState({ ...objects, node: benchNode })
  let isChanged = false
  await rules.sync(state, signal)
  return async each => {
    isChanged = !isChanged
    const start = performance.now()
    state = buildServiceState({ ...objects, endpointSlices: slices(isChanged), node: benchNode }, state)
    await rules.sync(state, each)
    return performance.now() - start
  }
}
