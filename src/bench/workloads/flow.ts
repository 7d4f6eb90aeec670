import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { decodePacket } from '../../base/net/decode-packet.js'
import { linkTypes } from '../../base/net/packet.js'
import { PcapStream } from '../../base/net/pcap-stream.js'
import { localMachine } from '../../kernel/local-machine.js'
import { capturedRequests } from '../captured-requests.js'
import { type Arm, type BenchCase, type Scale, timed, type Workload } from '../workload.js'
import { flowTestsCase, watchedTrafficCase } from './flow-runs.js'

const packets: Readonly<Record<Scale, number>> = { quick: 20_000, default: 100_000, full: 200_000 }
const rate = 'packets/s'

/** What it costs to read a capture, to run flow tests, and to be watched. */
export const flowWorkload: Workload = {
  name: 'flow',
  summary: 'packets decoded per second beside tcpdump and tshark, time per flow test, and what being watched costs the traffic',
  cases: ({ scale }) => [decodeCase(packets[scale]), flowTestsCase(scale), watchedTrafficCase(scale)],
}

function decodeCase(count: number): BenchCase {
  return {
    name: 'decode',
    parameters: { packets: count },
    metrics: [timed(rate, '1/s', 'higher')],
    baseline: 'podwire',
    async prepare(_context, signal) {
      const dir = await mkdtemp(join(tmpdir(), 'podwire-bench-'))
      const close = () => rm(dir, { recursive: true, force: true })
      try {
        const file = join(dir, 'capture.pcap')
        await writeFile(file, capturedRequests(count))
        const programs = [
          programArm('tcpdump', { argv: ['tcpdump', '-nr', file], count }),
          programArm('tshark', { argv: ['tshark', '-n', '-r', file], count }),
        ]
        const found = await Promise.all(programs.map(async arm => ({ arm, why: await whyMissing(arm.name, signal) })))
        return {
          arms: [ownArm(file, count), ...found.flatMap(({ arm, why }) => (why === undefined ? [arm] : []))],
          missing: found.flatMap(({ arm, why }) => (why === undefined ? [] : [{ arm: arm.name, why }])),
          close,
        }
      } catch (error) {
        await close()
        throw error
      }
    },
  }
}

/** So much of a stream comes at a time. */
const chunkBytes = 65_536

/** The file read and every packet decoded to its fields, in this process, piece by piece as from a capture that runs. */
function ownArm(file: string, count: number): Arm {
  return {
    name: 'podwire',
    async measure() {
      const start = performance.now()
      const whole = await readFile(file)
      const stream = new PcapStream()
      let right = 0
      for (let at = 0; at < whole.length; at += chunkBytes) {
        for (const { bytes } of stream.push(new Uint8Array(whole.buffer, whole.byteOffset + at, Math.min(chunkBytes, whole.length - at)))) {
          const { vxlan, malformed } = decodePacket(bytes, linkTypes.ethernet)
          if (vxlan?.inner.transport !== undefined && malformed === undefined) right++
        }
      }
      const elapsedMs = performance.now() - start
      if (right !== count) throw new Error(`decoded ${right} of ${count} packets`)
      return { [rate]: (count * 1000) / elapsedMs }
    },
  }
}

/** A program that prints a line a packet; its start is part of the figure, as it is for who runs it. */
function programArm(name: string, { argv, count }: { readonly argv: readonly string[]; readonly count: number }): Arm {
  return {
    name,
    async measure(signal) {
      const start = performance.now()
      const status = await localMachine.start(argv, { logFile: '/dev/null', signal }).ended
      if (status !== 0) throw new Error(`${argv.join(' ')} ended with status ${status}`)
      return { [rate]: (count * 1000) / (performance.now() - start) }
    },
  }
}

async function whyMissing(program: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    await localMachine.run([program, '--version'], { signal, allowFailure: true })
    return undefined
  } catch (error) {
    if (!isPodwireError(error, 'COMMAND_MISSING')) throw error
    return `${program} is not installed`
  }
}
