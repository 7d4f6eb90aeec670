import { type Rig, wordsOf } from './rig.js'
import type { Answer } from './runner.js'

/** What a case finds wrong, one sentence each; nothing when the plugin is right. `skip` says why the case means nothing here. */
export type Findings = readonly string[] | { readonly skip: string }

/** What a network gives to containers: `addresses` is an IPAM plugin by itself. */
export type NetworkKind = 'interface' | 'addresses'

/** One rule of the specification as something that a plugin does or does not. */
export interface ConformanceCase {
  /** `operation/what`, stable: reports and known gaps name cases by it. */
  readonly id: string
  /** The section of the specification, version 1.1.0. */
  readonly section: string
  /** What a plugin must do, as a statement. */
  readonly rule: string
  /** The known violation that the case shows, by the number it has in docs/cni-conformance.md. */
  readonly claim?: string
  /** Cases about interfaces say nothing of a network that only hands out addresses, and the other way round. */
  readonly needs?: NetworkKind
  readonly run: (rig: Rig) => Promise<Findings>
}

/** Nothing when the condition holds, else the finding. */
export const unless = (holds: boolean, finding: string): readonly string[] => (holds ? [] : [finding])

/** A call that must succeed. */
export const succeeds = (what: string, answer: Answer): readonly string[] =>
  unless(answer.exitCode === 0, `${what} failed: ${wordsOf(answer)}`)

/** A call that must be refused, with one of these codes if any are named, and with the error object on standard output. */
export function isRefused(what: string, answer: Answer, ...codes: readonly number[]): readonly string[] {
  if (answer.exitCode === 0) return [`${what} succeeded`]
  const { code, msg } = (typeof answer.json === 'object' && answer.json !== null ? answer.json : {}) as { code?: unknown; msg?: unknown }
  if (typeof code !== 'number' || typeof msg !== 'string')
    return [`${what} failed without an error object on standard output: ${wordsOf(answer)}`]
  return unless(
    codes.length === 0 || codes.includes(code),
    `${what} was refused with ${wordsOf(answer)}, expected code ${codes.join(' or ')}`,
  )
}

/** Nothing of the case may be left. */
export const leavesNothing = async (what: string, rig: Rig): Promise<readonly string[]> =>
  (await rig.leaks()).map(leak => `${what} leaves ${leak}`)
