import type { ArmRecord, BenchRecord, CaseRecord } from '../base/results/bench-record.js'
import { type Clock, systemClock } from '../base/time/clock.js'
import { machineFacts } from './machine-facts.js'
import { seededRandom, shuffled } from './random.js'
import { median, ratioOfMedians } from './statistics.js'
import type { Arm, BenchCase, BenchContext, Scale, Workload } from './workload.js'

const roundsOf: Readonly<Record<Scale, number>> = { quick: 7, default: 20, full: 40 }

/** The interval of a compared arm; that of the null arm is wider, since a run asks it of every metric. */
const confidence = { compared: 0.95, null: 0.99 }

const nullArmName = (baseline: string): string => `${baseline} again`

export interface RunWorkloadOptions {
  readonly workload: Workload
  readonly context: BenchContext
  readonly seed: number
  /** Cases to run by name; all without it. */
  readonly only?: readonly string[]
  /** Rounds of every case, instead of what case and scale say. */
  readonly rounds?: number
  readonly version: string
  readonly clock?: Clock
  /** The order of arms in a round; shuffled by the seed without it. */
  readonly order?: (arms: readonly Arm[], random: () => number) => readonly Arm[]
}

/**
 * Runs the cases of a workload one after the other. In each round every arm is measured once, in an order shuffled anew, and the
 * baseline once more as the null arm: where the null arm differs from its twin, the case's figure is void.
 *
 * When `signal` aborts, what the case made is taken away and the record holds the rounds that were whole.
 */
export async function runWorkload(options: RunWorkloadOptions, signal: AbortSignal): Promise<BenchRecord> {
  const { workload, context, seed, only, version, clock = systemClock } = options
  const machine = machineFacts(version)
  const startedAt = clock.now()
  const cases: CaseRecord[] = []
  const wanted = workload.cases(context).filter(({ name }) => only === undefined || only.includes(name))
  for (const [i, benchCase] of wanted.entries()) {
    if (signal.aborted) break
    const say = (text: string) => context.say(`${benchCase.name} (${i + 1} of ${wanted.length}): ${text}`)
    const measured = await runCase(benchCase, { ...options, context: { ...context, say } }, signal)
    if (measured !== undefined) cases.push(measured)
  }
  return {
    apiVersion: 'podwire.dev/v1alpha1',
    kind: 'BenchRecord',
    workload: workload.name,
    scale: context.scale,
    seed,
    startedAt: new Date(startedAt).toISOString(),
    durationMs: clock.now() - startedAt,
    isPartial: signal.aborted,
    machine,
    cases,
  }
}

type Samples = Map<string, Readonly<Record<string, number>>[]>

async function runCase(
  benchCase: BenchCase,
  { context, seed, rounds: asked, order = shuffled, clock = systemClock }: RunWorkloadOptions,
  signal: AbortSignal,
): Promise<CaseRecord | undefined> {
  context.say('preparing')
  const rounds = asked ?? benchCase.rounds ?? roundsOf[context.scale]
  const prepared = await benchCase.prepare(context, signal)
  const samples: Samples = new Map()
  try {
    const random = seededRandom(seed)
    const arms = withNullArm(prepared.arms, benchCase.baseline)
    const begun = clock.now()
    for (let round = 0; round < rounds; round++) {
      context.say(`round ${round + 1} of ${rounds}${timeLeft(clock.now() - begun, round, rounds)}`)
      const measured = await measureRound(order(arms, random), signal)
      for (const [name, sample] of measured) samples.set(name, [...(samples.get(name) ?? []), sample])
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await prepared.close()
  }
  return samples.size === 0 ? undefined : caseRecord(benchCase, { samples, seed, missing: prepared.missing ?? [] })
}

/** What the rounds so far let expect of those to come. */
function timeLeft(spentMs: number, done: number, rounds: number): string {
  if (done === 0) return ''
  const seconds = Math.ceil(((spentMs / done) * (rounds - done)) / 1000)
  return seconds < 100 ? `, ${seconds} s left` : `, ${Math.ceil(seconds / 60)} min left`
}

/** The baseline's second self. A case whose baseline cannot run here has none. */
function withNullArm(arms: readonly Arm[], baseline: string): readonly Arm[] {
  const twin = arms.find(({ name }) => name === baseline)
  return twin === undefined ? arms : [...arms, { ...twin, name: nullArmName(baseline), measure: signal => twin.measure(signal) }]
}

/** One sample of every arm, or nothing when one of them did not come to its end: rounds are whole. */
async function measureRound(arms: readonly Arm[], signal: AbortSignal): Promise<ReadonlyMap<string, Readonly<Record<string, number>>>> {
  const measured = new Map<string, Readonly<Record<string, number>>>()
  for (const arm of arms) {
    signal.throwIfAborted()
    measured.set(arm.name, await arm.measure(signal))
  }
  return measured
}

function caseRecord(
  { name, parameters = {}, metrics, baseline }: BenchCase,
  {
    samples,
    seed,
    missing,
  }: { readonly samples: Samples; readonly seed: number; readonly missing: readonly CaseRecord['missing'][number][] },
): CaseRecord {
  const column = (arm: string, metric: string) => (samples.get(arm) ?? []).map(sample => sample[metric] ?? Number.NaN)
  const arms = [...samples.keys()].map((arm): ArmRecord => {
    const role = arm === baseline ? 'baseline' : arm === nullArmName(baseline) ? 'null' : 'compared'
    const ratios = metrics.flatMap(metric => {
      const paired = { arm: column(arm, metric.name), baseline: column(baseline, metric.name) }
      const ratio = role === 'baseline' ? undefined : ratioOfMedians(paired, { confidence: confidence[role], seed })
      return ratio === undefined ? [] : [[metric.name, ratio] as const]
    })
    return {
      name: arm,
      role,
      samples: Object.fromEntries(metrics.map(metric => [metric.name, column(arm, metric.name)])),
      medians: Object.fromEntries(metrics.map(metric => [metric.name, median(column(arm, metric.name))])),
      ratios: Object.fromEntries(ratios),
    }
  })
  const twin = arms.find(({ role }) => role === 'null')
  const voided = Object.entries(twin?.ratios ?? {}).filter(([, { low, high }]) => low > 1 || high < 1)
  const order = { baseline: 0, null: 1, compared: 2 }
  return {
    name,
    parameters,
    metrics: [...metrics],
    baseline,
    rounds: samples.values().next().value?.length ?? 0,
    arms: arms.sort((a, b) => order[a.role] - order[b.role] || a.name.localeCompare(b.name)),
    missing: [...missing],
    voided: voided.map(([metric]) => metric),
  }
}
