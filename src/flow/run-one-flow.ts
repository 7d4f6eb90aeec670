import type { Finding } from '../base/results/run-record.js'
import { aliasOf, type BoundTest } from './bind.js'
import type { Bound, BoundPod } from './bound.js'
import { checkPreset } from './check-preset.js'
import { correlate } from './correlate.js'
import type { Expectation } from './expectation.js'
import type { Send } from './flow-test-schema.js'
import { type Judgement, judge } from './judge.js'
import type { LabFacts } from './lab-facts.js'
import { endedAs, judgeOutcome, judgeResponse, outcomeText, serverOf } from './outcome.js'
import type { FlowDocument } from './parse-flow-file.js'
import { type PredictedFlow, predict } from './predict.js'
import type { Prober } from './prober.js'
import type { ReadConntrack } from './read-conntrack.js'
import { resolveExpectation } from './resolve-expectation.js'
import type { RoleContext } from './roles.js'
import { type PlannedExchange, planSend, planUse, type SentExchange, sendExchange } from './send.js'
import type { Sighting, Trace } from './trace.js'

/** What sending a flow needs. */
export interface FlowParts {
  readonly document: FlowDocument
  readonly bound: BoundTest
  readonly facts: LabFacts
  /** The Pods that may turn out to be the endpoint. */
  readonly candidates: readonly BoundPod[]
  proberOf(client: PlannedExchange['client']): Prober
}

/** One round of a flow: its exchanges in order, one, or two when a name is asked first. */
export type Round = readonly SentExchange[]

export interface SentFlow {
  /** As many as `send.times`. */
  readonly rounds: readonly Round[]
  /** Why nothing can be told: the control did not end as it must. */
  readonly controlFailure: string | undefined
}

/** Sends the control and then the flow. */
export async function sendFlow(parts: FlowParts, signal: AbortSignal): Promise<SentFlow> {
  const { control, send } = parts.document.test.spec
  if (control !== undefined) {
    const [sent] = await sendRound(control.send, parts, signal)
    if (sent !== undefined && !endedAs(control.outcome, sent.result)) {
      const failure = `the control (${sent.planned.text}) ended ${sent.result.outcome}, not ${outcomeText(control.outcome)}: that the flow ends as expected would mean nothing`
      return { rounds: [], controlFailure: failure }
    }
  }
  const rounds: Round[] = []
  for (let i = 0; i < send.times; i++) rounds.push(await sendRound(send, parts, signal))
  return { rounds, controlFailure: undefined }
}

async function sendRound(send: Send, { bound, facts, candidates, proberOf }: FlowParts, signal: AbortSignal): Promise<Round> {
  const planned = planSend(send, { bindings: bound.bindings, facts })
  const first = await sendExchange(planned, proberOf(planned.client), signal)
  const address = first.result.answers?.[0]
  const use =
    address === undefined
      ? undefined
      : planUse(
          send,
          planned,
          address,
          candidates.find(({ ip }) => ip === address),
        )
  return use === undefined ? [first] : [first, await sendExchange(use, proberOf(use.client), signal)]
}

/** How a sent flow ended, in one word: the outcome of its last exchange, or of the first that ended otherwise. */
export function outcomeOf({ rounds, controlFailure }: SentFlow, expected: FlowDocument['test']['spec']['expect']['outcome']): string {
  if (controlFailure !== undefined) return 'control failed'
  const results = rounds.flat().map(({ result }) => result)
  return (results.find(result => !endedAs(expected, result)) ?? results.at(-1))?.outcome ?? 'not sent'
}

/** What was sent, with all that the captures and the nodes' conntrack tables hold of it. */
export interface JudgedFlow {
  readonly findings: readonly Finding[]
  readonly judgement: Judgement
  readonly traces: readonly Trace[]
  readonly context: RoleContext
}

/** Compares a flow that was sent while `sightings` were seen with everything its file expects. */
export async function judgeFlow(
  parts: FlowParts,
  sent: SentFlow,
  { sightings, readConntrack }: { readonly sightings: readonly Sighting[]; readonly readConntrack: ReadConntrack },
): Promise<JudgedFlow> {
  const { document, bound, facts, candidates } = parts
  const { expect, send } = document.test.spec
  const at = (key: string): string => document.where(['spec', 'expect', key])
  const round = sent.rounds[0] ?? []
  const traces: Trace[] = []
  for (const exchange of round) {
    traces.push({ ...correlate(sightings, exchangeOf(exchange)), all: sightings, conntrack: await readConntrack(facts, exchange) })
  }
  const servers = round.map(
    (exchange, i) => exchange.planned.server ?? serverOf(traces[i], exchange.result, reachable(exchange, candidates)),
  )
  const bindings = new Map<string, Bound>(bound.bindings)
  for (const [alias, serviceAlias] of bound.late) {
    const index = round.findIndex(({ planned }) => planned.service?.key === bindings.get(serviceAlias)?.key)
    const server = servers[index]
    if (server !== undefined) bindings.set(alias, server)
  }
  const context: RoleContext = { bindings, facts, sender: { alias: aliasOf(send.from), sourcePort: round[0]?.sourcePort } }
  const { expectation, problems } = expectationOf(document, round, servers, context)
  const judgement = judge(traces, expectation)
  const findings: Finding[] = [...problems, ...judgement.findings]
  const last = round.at(-1)
  if (last !== undefined) {
    findings.push(...judgeOutcome(expect.outcome, { result: last.result, trace: traces.at(-1)!, where: at('outcome'), context }))
    if (expect.response && endedAs(expect.outcome, last.result))
      findings.push(...judgeResponse(expect.response, responseOf(round), { where: at('response'), context }))
  }
  findings.push(...judgeRounds(parts, sent, sightings, at))
  return { findings, judgement, traces, context }
}

const exchangeOf = ({ planned, sourcePort }: SentExchange) => ({
  protocol: planned.protocol,
  sender: planned.client.key,
  target: planned.target.ip,
  targetPort: planned.target.port,
  sourcePort,
  size: planned.icmpSize,
})

/** The Pods among which the endpoint of an exchange is. */
const reachable = ({ planned }: SentExchange, candidates: readonly BoundPod[]): readonly BoundPod[] =>
  candidates.filter(({ ip }) => planned.service?.endpoints.some(endpoint => endpoint.ip === ip) ?? false)

/** What all exchanges of a round answered: the addresses of the first, the rest of the last. */
const responseOf = (round: Round): SentExchange['result'] => ({ ...round[0]!.result, ...round.at(-1)!.result })

function expectationOf(
  document: FlowDocument,
  round: Round,
  servers: readonly (BoundPod | undefined)[],
  context: RoleContext,
): { expectation: Expectation; problems: Finding[] } {
  const written = resolveExpectation(document, context)
  const { preset } = document.test.spec.expect
  if (preset === undefined) return { expectation: written, problems: [] }
  const where = document.where(['spec', 'expect', 'preset'])
  const problems: Finding[] = []
  const predictions = round.flatMap((exchange, i) => {
    const flow = flowOf(exchange, servers[i])
    if (flow.server === undefined && (flow.service?.endpoints.length ?? 1) > 0) {
      problems.push({ severity: 'fail', message: `no endpoint of ${flow.service?.key ?? exchange.planned.text} was reached`, where })
      return []
    }
    const mismatch = checkPreset(preset, flow)
    if (mismatch !== undefined) problems.push({ severity: 'error', message: `preset ${preset}: ${mismatch}`, where })
    return [predict(flow, context, { name: exchange.planned.leg, exchange: i })]
  })
  const expectation = {
    legs: [...written.legs, ...predictions.flatMap(({ legs }) => legs)],
    never: [...written.never, ...predictions.flatMap(({ never }) => never)],
    conntrack: [...written.conntrack, ...predictions.flatMap(({ conntrack }) => conntrack)],
  }
  return { expectation, problems }
}

/** What is predicted of an exchange once it is known who takes it. */
export function flowOf({ planned, sourcePort }: Pick<SentExchange, 'planned' | 'sourcePort'>, server: BoundPod | undefined): PredictedFlow {
  const { protocol, client, target, service, door } = planned
  const serverPort = service === undefined ? target.port : service.endpoints.find(({ ip }) => ip === server?.ip)?.port
  return { protocol, client, sourcePort, target, service, door, server, serverPort }
}

/** Each of several rounds must end the same, at as many endpoints as the file says. */
function judgeRounds(
  { document, candidates }: FlowParts,
  { rounds }: SentFlow,
  sightings: readonly Sighting[],
  at: (key: string) => string,
): Finding[] {
  const { outcome, across } = document.test.spec.expect
  const findings: Finding[] = []
  const wrong = rounds.slice(1).filter(round => !endedAs(outcome, round.at(-1)!.result))
  if (wrong.length > 0) {
    findings.push({
      severity: 'fail',
      message: `${wrong.length} of ${rounds.length} times it ended otherwise (${wrong[0]!.at(-1)!.result.outcome})`,
      where: at('outcome'),
    })
  }
  if (across !== undefined) {
    const backends = new Set(
      rounds.map(round => {
        const last = round.at(-1)!
        const trace = { ...correlate(sightings, exchangeOf(last)), all: sightings, conntrack: [] }
        return serverOf(trace, last.result, candidates)?.key ?? 'an endpoint that was not seen'
      }),
    )
    if (backends.size !== across.backends) {
      findings.push({
        severity: 'fail',
        message: `${rounds.length} connections reached ${backends.size} endpoints, not ${across.backends}: ${[...backends].join(', ')}`,
        where: at('across'),
      })
    }
  }
  return findings
}
