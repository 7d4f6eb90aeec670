import type { Command } from 'commander'

import type { CauseRecord, FlowRecord } from '../../base/results/run-record.js'
import type { Parts } from '../parts.js'
import { type Paint, paintFor, textLadder } from '../text-ladder.js'
import { type AskOptions, ask, askingCommand } from './trace.js'

/** `podwire why`. */
export function whyCommand(parts: Parts, done: (exitStatus: number) => void): Command {
  return askingCommand('why')
    .description('send one packet; where it ended and why: the rule, route, entry or setting, and the object behind it')
    .action(async (from: string, to: string, options: AskOptions) => {
      const flow = await ask(parts, { command: 'why', from, to, options }, (question, signal) => parts.whyFlow(question, signal))
      const paint = paintFor(parts.terminal.hasColor)
      parts.terminal.out(options.output === 'json' ? `${JSON.stringify(flow, undefined, 2)}\n` : whyText(flow, paint, options.name))
      done((flow.causes ?? []).length === 0 ? 0 : 1)
    })
}

/** The hops, and under them the cause with what shows it and what mends it. */
function whyText(flow: FlowRecord, paint: Paint, lab: string | undefined): string {
  const { causes = [] } = flow
  const bare = { ...flow, findings: [], ladder: flow.ladder.filter(({ kind }) => kind !== 'missing') }
  if (causes.length === 0)
    return `${textLadder(bare, paint)}\nNothing stops it: it ended ${flow.outcome}, by the way that the objects say.\n`
  return `${textLadder(bare, paint)}\n${causes.map(cause => causeText(cause, paint, lab)).join('\n')}`
}

/** A command of ours for a lab that is not the usual one. */
const forLab = (command: string, lab: string | undefined): string =>
  lab === undefined ? command : command.replace(/^\.\/podwire (policy \w+|set \w+|\w+)/, `$& --name ${lab}`)

/** What is wrong, what shows it, and what to do. */
export function causeText({ code, message, where, evidence, mend }: CauseRecord, paint: Paint, lab: string | undefined): string {
  const lines = [
    `${paint('why', 'bold')}    ${paint(message, 'red')} ${paint(`(${code})`, 'dim')}`,
    ...(where === undefined ? [] : [`where  ${where}`]),
    ...evidence.map((line, i) => `${i === 0 ? 'seen   ' : '       '}${line}`),
    ...(mend === undefined ? [] : [`next   ${forLab(mend, lab)}`]),
  ]
  return `${lines.join('\n')}\n`
}
