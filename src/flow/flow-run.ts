import { PodwireError } from '../base/errors/podwire-error.js'
import type { Finding, FlowRecord, Verdict } from '../base/results/run-record.js'
import { systemClock } from '../base/time/clock.js'
import type { CaptureRun } from './capture-run.js'
import { boundText, emptyRecord, sentText, verdictOf } from './flow-record.js'
import type { FlowSession, FlowSessionOptions } from './flow-session.js'
import { buildLadder } from './ladder.js'
import type { FlowDocument } from './parse-flow-file.js'
import { conntrackReader } from './read-conntrack.js'
import { type FlowParts, judgeFlow, outcomeOf, type SentFlow, sendFlow } from './run-one-flow.js'
import type { Sighting } from './trace.js'

export interface FlowRunOptions extends FlowSessionOptions {
  /** Flows in the order in which they are sent; those of one batch are sent at the same time, each from a Pod or host of its own. */
  readonly batches: readonly (readonly FlowDocument[])[]
  /** Where `flows.pcapng` goes; made if it is not there. */
  readonly outDir: string
  /** How long a flow is tried until it ends as expected; nothing tells when every node has programmed a change. */
  readonly settleMs?: number
  /** Called as each flow begins. */
  readonly onFlow?: (name: string) => void
}

const defaultSettleMs = 10_000
const settleIntervalMs = 200

/** A flow between its two sendings. */
interface Prepared {
  readonly document: FlowDocument
  /** Spent on sending it unwatched. */
  readonly unwatchedMs: number
  /** Why it is not sent again; the verdict is then settled. */
  readonly settled: { readonly verdict: Verdict; readonly reason: string } | undefined
  readonly parts: FlowParts | undefined
  readonly outcomeUnwatched: string | undefined
}

/** A flow that is sent again, or what stops it. */
interface Resent {
  readonly sent?: SentFlow
  readonly error?: PodwireError
}

/** The flows of one run, sent first without and then with captures. */
export class FlowRun {
  readonly #options: FlowRunOptions
  readonly #session: FlowSession
  readonly #signal: AbortSignal
  readonly #prepared: (readonly Prepared[])[] = []

  constructor(options: FlowRunOptions, session: FlowSession) {
    this.#options = options
    this.#session = session
    this.#signal = session.signal
  }

  /** Binds and sends the flows of a batch, each until it ends as its file says or the time for that is over. */
  async sendUnwatched(batch: readonly FlowDocument[]): Promise<void> {
    this.#prepared.push(await Promise.all(batch.map(document => this.#sendUnwatched(document))))
  }

  async #sendUnwatched(document: FlowDocument): Promise<Prepared> {
    const startedAt = Date.now()
    const nothing = { document, unwatchedMs: 0, settled: undefined, parts: undefined, outcomeUnwatched: undefined }
    const missing = lacking(document, this.#options)
    if (missing !== undefined) return { ...nothing, settled: { verdict: 'skip', reason: missing } }
    for (;;) {
      const { parts, sent, error } = await this.#try(document)
      const outcome = sent && outcomeOf(sent, document.test.spec.expect.outcome)
      const isDone = sent !== undefined && isAsExpected(document, sent)
      if (isDone || Date.now() - startedAt > (this.#options.settleMs ?? defaultSettleMs)) {
        const settled = error === undefined ? undefined : ({ verdict: 'error', reason: messageOf(error) } as const)
        return { document, unwatchedMs: Date.now() - startedAt, settled, parts, outcomeUnwatched: outcome }
      }
      this.#session.forgetFacts()
      await systemClock.sleep(settleIntervalMs, this.#signal)
    }
  }

  async #try(document: FlowDocument): Promise<{ parts?: FlowParts; sent?: SentFlow; error?: unknown }> {
    try {
      const parts = await this.#session.prepare(document)
      return { parts, sent: await sendFlow(parts, this.#signal) }
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof PodwireError)) throw error
      return { error }
    }
  }

  /** Starts the captures, sends every flow again and compares. */
  async sendWatched(
    pcapngFile: string,
    onFlow: FlowRunOptions['onFlow'],
  ): Promise<{ records: readonly FlowRecord[]; packetsLost: number }> {
    const records: FlowRecord[] = []
    const sendable = this.#prepared.flat().flatMap(({ parts }) => parts ?? [])
    let captures: CaptureRun | undefined
    let captureError: unknown
    try {
      captures = await this.#session.startCaptures(sendable, pcapngFile)
    } catch (error) {
      if (this.#signal.aborted) throw error
      captureError = error
    }
    let packetsLost = 0
    try {
      for (const batch of this.#prepared) {
        for (const { document } of batch) onFlow?.(document.test.metadata.name)
        records.push(...(await this.#recordWatched(batch, captures, captureError)))
      }
    } finally {
      if (captures !== undefined) packetsLost = (await captures.stop()).packetsLost
    }
    return { records, packetsLost }
  }

  async #recordWatched(
    batch: readonly Prepared[],
    captures: CaptureRun | undefined,
    captureError: unknown,
  ): Promise<readonly FlowRecord[]> {
    const startedAt = Date.now()
    const toSend = batch.filter(({ settled, parts }) => settled === undefined && parts !== undefined)
    if (captures === undefined || toSend.length === 0) return batch.map(each => unsent(each, captureError))
    const comment = toSend.map(({ document }) => document.test.metadata.name).join(', ')
    const resend = async ({ parts }: Prepared): Promise<Resent> => {
      try {
        return { sent: await sendFlow(parts!, this.#signal) }
      } catch (error) {
        if (this.#signal.aborted || !(error instanceof PodwireError)) throw error
        return { error }
      }
    }
    try {
      const { result, sightings } = await captures.watch(comment, () => Promise.all(toSend.map(resend)), this.#signal)
      const readConntrack = conntrackReader(this.#signal)
      const resent = new Map(toSend.map((prepared, i) => [prepared, result[i]!]))
      return await Promise.all(
        batch.map(prepared => {
          const again = resent.get(prepared)
          return again === undefined ? unsent(prepared, undefined) : this.#judge(prepared, again, { sightings, readConntrack, startedAt })
        }),
      )
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof PodwireError)) throw error
      return batch.map(each => unsent(each, error))
    }
  }

  async #judge(
    { document, unwatchedMs, parts, outcomeUnwatched }: Prepared,
    { sent, error }: Resent,
    seen: {
      readonly sightings: readonly Sighting[]
      readonly readConntrack: ReturnType<typeof conntrackReader>
      readonly startedAt: number
    },
  ): Promise<FlowRecord> {
    const base = { ...emptyRecord(document), bound: boundText(parts!.bound.bindings) }
    const end = (): number => unwatchedMs + Date.now() - seen.startedAt
    if (sent === undefined) return { ...base, verdict: 'error', reason: messageOf(error), durationMs: end() }
    try {
      const outcome = outcomeOf(sent, document.test.spec.expect.outcome)
      const common = { ...base, outcome, sent: sentText(sent), ...(outcomeUnwatched !== undefined && { outcomeUnwatched }) }
      if (sent.controlFailure !== undefined) return { ...common, verdict: 'error', reason: sent.controlFailure, durationMs: end() }
      const { findings, judgement, traces, context } = await judgeFlow(parts!, sent, seen)
      const all = [...findings, ...watchedOtherwise(outcome, outcomeUnwatched)]
      const verdict = verdictOf(all)
      return {
        ...common,
        verdict,
        ...(verdict !== 'pass' && { reason: all[0]!.message }),
        bound: boundText(context.bindings),
        ladder: buildLadder(traces, judgement, context),
        conntrack: traces.flatMap(({ conntrack }) => [...conntrack]),
        findings: all,
        durationMs: end(),
      }
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof PodwireError)) throw error
      return { ...base, verdict: 'error', reason: messageOf(error), durationMs: end() }
    }
  }
}

/** The record of a flow that was not sent again: its verdict is settled, or the captures failed. */
const unsent = ({ document, unwatchedMs, settled }: Prepared, error: unknown): FlowRecord => ({
  ...emptyRecord(document),
  ...(settled ?? { verdict: 'error', reason: messageOf(error) }),
  durationMs: unwatchedMs,
})

const isAsExpected = (document: FlowDocument, sent: SentFlow): boolean => {
  const { outcome } = document.test.spec.expect
  const ended = outcomeOf(sent, outcome)
  if (typeof outcome === 'string') return ended === outcome
  const isSilent = 'dropped' in outcome || outcome.rejected.with === 'icmp-fragmentation-needed'
  return (isSilent ? ['timeout'] : ['refused', 'unreachable', 'reset']).includes(ended)
}

/** What the test requires and the lab is not; undefined when it can run. */
function lacking({ test }: FlowDocument, { hosts, lab }: FlowRunOptions): string | undefined {
  if (test.spec.family === 'IPv6' && !lab.dualStack) return 'it is about IPv6; the lab has IPv4 only'
  const { nodes = 0, cni, proxy, policy, segments = 1 } = test.spec.requires ?? {}
  const nodeCount = hosts.filter(({ role }) => role === 'node').length
  if (nodeCount < nodes) return `it needs ${nodes} nodes; the lab has ${nodeCount}`
  const { segments: present = 1 } = lab
  if (present < segments) return `it needs an underlay of ${segments} segments; the lab has ${present}`
  if (cni !== undefined && !cni.includes(lab.datapath)) return `it is about ${cni.join(', ')}; the lab's datapath is ${lab.datapath}`
  if (proxy !== undefined && !proxy.includes(lab.proxy)) return `it is about ${proxy.join(', ')}; the lab's proxy is ${lab.proxy}`
  if (policy === true && !lab.policy) return 'it needs network policy; nothing enforces it in this lab'
  return policy === false && lab.policy ? 'it is about a lab without network policy' : undefined
}

const watchedOtherwise = (watched: string, unwatched: string | undefined): Finding[] =>
  unwatched === undefined || unwatched === watched
    ? []
    : [
        {
          severity: 'fail',
          message: `without captures it ended ${unwatched}, with them ${watched}: watching changed it, or the lab was not at rest`,
        },
      ]

const messageOf = (error: unknown): string =>
  error instanceof PodwireError ? `${error.code} ${error.message}${error.hint ? ` (${error.hint})` : ''}` : String(error)
