import { Command, InvalidArgumentError, Option } from 'commander'

import { withInterrupt } from '../interrupt.js'
import { labOption, outputOption, requireLab, requireRoot } from '../lab-option.js'
import type { Parts } from '../parts.js'
import { paintFor, textLadder } from '../text-ladder.js'

/** What `trace` and `why` are asked. */
export interface AskOptions {
  readonly name?: string
  readonly namespace: string
  readonly udp?: true
  readonly icmp?: true
  readonly ipv6?: true
  readonly size?: number | 'mtu'
  readonly output: string
  readonly out: string
}

/** `podwire trace`. */
export function traceCommand(parts: Parts, done: (exitStatus: number) => void): Command {
  return askingCommand('trace')
    .description('send one packet and its answer: every hop, what changed there, and the rule, route or entry that did it')
    .action(async (from: string, to: string, options: AskOptions) => {
      const flow = await ask(parts, { command: 'trace', from, to, options }, (question, signal) => parts.traceFlow(question, signal))
      parts.terminal.out(
        options.output === 'json' ? `${JSON.stringify(flow, undefined, 2)}\n` : textLadder(flow, paintFor(parts.terminal.hasColor)),
      )
      done(flow.verdict === 'fail' || flow.verdict === 'error' ? 1 : 0)
    })
}

/** The words and options of a question. */
export function askingCommand(name: string): Command {
  return new Command(name)
    .argument('<from>', 'pod/NAME, deploy/NAME, node/NAME or external/NAME')
    .argument('<to>', 'pod/NAME[:PORT], svc/NAME[:PORT] or node/NAME:PORT')
    .addOption(labOption())
    .option('-n, --namespace <namespace>', 'of names that have none; pod/NAMESPACE/NAME names its own', 'default')
    .addOption(new Option('--udp', 'a UDP datagram instead of a TCP connection').conflicts('icmp'))
    .option('--icmp', 'an ICMP echo')
    .option('-6, --ipv6', 'over IPv6, where the lab has it')
    .option('--size <bytes>', 'of the ICMP payload, or `mtu` for the largest packet of the sender', parseSize)
    .addOption(outputOption('table', 'json'))
    .option('--out <dir>', 'where the pcapng goes', name === 'record' ? 'out/flow' : `out/${name}`)
}

function parseSize(text: string): number | 'mtu' {
  if (text === 'mtu') return text
  const bytes = Number(text)
  if (!Number.isInteger(bytes) || bytes < 8 || bytes > 1400) throw new InvalidArgumentError('Use 8 to 1400, or mtu.')
  return bytes
}

interface Asked {
  readonly command: string
  readonly from: string
  readonly to: string
  readonly options: AskOptions
}

/** Puts a question to a lab that is up. */
export async function ask<T>(
  parts: Parts,
  { command, from, to, options }: Asked,
  put: (question: Parameters<Parts['traceFlow']>[0], signal: AbortSignal) => Promise<T>,
): Promise<T> {
  requireRoot(parts, command)
  const { name, namespace, udp, icmp, ipv6, size, out } = options
  const lab = await requireLab(parts, name)
  const client = parts.connect(lab.kubeconfig)
  try {
    const family = ipv6 ? 'IPv6' : 'IPv4'
    const protocol = udp ? 'udp' : icmp || size !== undefined ? 'icmp' : 'tcp'
    return await withInterrupt(parts.terminal, 'nothing: the lab stays as it was', signal =>
      put({ lab, client, outDir: out, question: { from, to, namespace, protocol, family, ...(size !== undefined && { size }) } }, signal),
    )
  } finally {
    client.close()
  }
}
