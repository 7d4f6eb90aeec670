import { setTimeout as delay } from 'node:timers/promises'

import { withoutMapping } from '../base/net/address.js'
import type { Lab } from '../lab/lab.js'

/** A TCP connection as the kernel of one of its ends has it. */
interface OpenConnection {
  readonly local: string
  readonly peer: string
  /** How often the segment that is under way has been sent again. */
  readonly retries: number
}

/** What became of connections that were open before a change. */
export interface ConnectionsAfter {
  readonly open: number
  /** Those that ended or get no answer any more, with why. */
  readonly broken: readonly string[]
}

const settleMs = 15_000
const lookAgainMs = 250

/** Looks at the open TCP connections between Pods now; the result looks again, and tells how many of them live and which do not. */
export async function watchConnections(lab: Lab, signal: AbortSignal): Promise<() => Promise<ConnectionsAfter>> {
  const before = await openConnections(lab, signal)
  return async () => {
    const deadline = Date.now() + settleMs
    for (;;) {
      const now = new Map((await openConnections(lab, signal)).map(each => [textOf(each), each]))
      const gone = before.filter(each => !now.has(textOf(each)))
      const stuck = before.filter(each => (now.get(textOf(each))?.retries ?? 0) > 0)
      if (stuck.length > 0 && Date.now() < deadline) {
        await delay(lookAgainMs, undefined, { signal })
        continue
      }
      const broken = [...gone.map(each => `${textOf(each)} ended`), ...stuck.map(each => `${textOf(each)} gets no answer`)]
      return { open: before.length - broken.length, broken }
    }
  }
}

const textOf = ({ local, peer }: OpenConnection): string => `${local} → ${peer}`

async function openConnections({ hosts }: Lab, signal: AbortSignal): Promise<readonly OpenConnection[]> {
  const nodes = hosts.filter(({ role }) => role === 'node').map(({ host }) => host)
  const all = await Promise.all(
    nodes.map(async host => {
      const { stdout: names } = await host.run(['ls', '/run/netns'], { allowFailure: true, signal })
      const pods = names.split('\n').filter(name => name !== '')
      const tables = await Promise.all(
        pods.map(name =>
          host.enter(`/run/netns/${name}`).run(['ss', '-H', '-t', '-n', '-o', 'state', 'established'], { allowFailure: true, signal }),
        ),
      )
      return tables.flatMap(({ stdout }) => parseConnections(stdout))
    }),
  )
  return bothEnds(all.flat())
}

/** Connections of which both ends are Pods, each once: what a probe of the kubelet opens and closes is not among them. */
function bothEnds(ends: readonly OpenConnection[]): readonly OpenConnection[] {
  const known = new Map(ends.map(end => [textOf(end), end]))
  return ends.flatMap(({ local, peer, retries }) => {
    const mirror = known.get(textOf({ local: peer, peer: local, retries }))
    return mirror === undefined || peer < local ? [] : [{ local, peer, retries: Math.max(retries, mirror.retries) }]
  })
}

/** A socket that listens over both families has its IPv4 peers mapped: `[::ffff:10.244.1.2]:8080`. */
const plain = (end: string): string =>
  end.replace(/^\[([^\]]+)\]/, (bracketed, address) => {
    const plainAddress = withoutMapping(address)
    return plainAddress === address ? bracketed : plainAddress
  })

/** Lines of `ss -o state established`: queues, local and peer address, and the timer with its count of retransmissions. */
const parseConnections = (text: string): readonly OpenConnection[] =>
  text.split('\n').flatMap(line => {
    const [, , local, peer] = line.trim().split(/\s+/)
    if (local === undefined || peer === undefined) return []
    return [{ local: plain(local), peer: plain(peer), retries: Number(/timer:\((?:on|persist),[^,]*,(\d+)\)/.exec(line)?.[1] ?? 0) }]
  })
