import type { DestinationState, Ipvs, IpvsTimeouts, VirtualServer, VirtualServerKey } from './ipvs.js'
import { kernelRefused } from './syscalls.js'

interface FakeServer {
  readonly server: VirtualServer
  readonly destinations: readonly DestinationState[]
}

export interface FakeIpvs extends Ipvs {
  /** Lets a destination have connections, as if clients had made them. */
  connect(server: VirtualServerKey, address: string, connections: Pick<DestinationState, 'activeConnections' | 'inactiveConnections'>): void
}

const keyOf = ({ protocol, address, port }: VirtualServerKey): string => `${protocol} ${address} ${port}`
const knownSchedulers = ['rr', 'wrr', 'lc', 'wlc', 'lblc', 'lblcr', 'sh', 'dh', 'sed', 'nq', 'fo', 'ovf', 'mh']

/** IP virtual servers in memory. It refuses what the kernel refuses, with the same errno; connections come by `connect` only. */
export function createFakeIpvs(schedulers: readonly string[] = knownSchedulers): FakeIpvs {
  const servers = new Map<string, FakeServer>()
  let timeouts: IpvsTimeouts = { tcp: 900, tcpFin: 120, udp: 300 }

  function need(operation: string, key: VirtualServerKey): FakeServer {
    const found = servers.get(keyOf(key))
    if (found === undefined) throw kernelRefused(operation, 'ESRCH')
    return found
  }
  function needScheduler(operation: string, { scheduler }: VirtualServer): void {
    if (!schedulers.includes(scheduler)) throw kernelRefused(operation, 'ENOENT')
  }
  const isAt = (a: Pick<DestinationState, 'address' | 'port'>) => (b: DestinationState) => a.address === b.address && a.port === b.port
  const set = (key: VirtualServerKey, found: FakeServer): void => void servers.set(keyOf(key), found)

  return {
    servers: () => [...servers.values()].map(({ server }) => server),
    addServer(server) {
      const operation = `add virtual server ${keyOf(server)}`
      if (servers.has(keyOf(server))) throw kernelRefused(operation, 'EEXIST')
      needScheduler(operation, server)
      set(server, { server, destinations: [] })
    },
    changeServer(server) {
      const operation = `change virtual server ${keyOf(server)}`
      const { destinations } = need(operation, server)
      needScheduler(operation, server)
      set(server, { server, destinations })
    },
    deleteServer(key) {
      need(`delete virtual server ${keyOf(key)}`, key)
      servers.delete(keyOf(key))
    },
    // Asked for the destinations of a virtual server that is not there, the kernel answers with none.
    destinations: key => servers.get(keyOf(key))?.destinations ?? [],
    addDestination(key, destination) {
      const operation = `add destination ${destination.address} of ${keyOf(key)}`
      const { server, destinations } = need(operation, key)
      if (destinations.some(isAt(destination))) throw kernelRefused(operation, 'EEXIST')
      set(key, { server, destinations: [...destinations, { ...destination, activeConnections: 0, inactiveConnections: 0 }] })
    },
    changeDestination(key, destination) {
      const operation = `change destination ${destination.address} of ${keyOf(key)}`
      const { server, destinations } = need(operation, key)
      if (!destinations.some(isAt(destination))) throw kernelRefused(operation, 'ENOENT')
      set(key, { server, destinations: destinations.map(known => (isAt(destination)(known) ? { ...known, ...destination } : known)) })
    },
    deleteDestination(key, destination) {
      const operation = `delete destination ${destination.address} of ${keyOf(key)}`
      const { server, destinations } = need(operation, key)
      if (!destinations.some(isAt(destination))) throw kernelRefused(operation, 'ENOENT')
      set(key, { server, destinations: destinations.filter(known => !isAt(destination)(known)) })
    },
    flush: () => servers.clear(),
    timeouts: () => timeouts,
    setTimeouts({ tcp, tcpFin, udp }) {
      timeouts = { tcp: tcp || timeouts.tcp, tcpFin: tcpFin || timeouts.tcpFin, udp: udp || timeouts.udp }
    },
    info: () => ({ version: '1.2.1', connectionTableSize: 4096 }),
    close: () => {},
    connect(key, address, connections) {
      const { server, destinations } = need('connect', key)
      set(key, { server, destinations: destinations.map(known => (known.address === address ? { ...known, ...connections } : known)) })
    },
  }
}
