import { ipOf } from '../base/net/packet.js'
import type { HopRecord } from '../base/results/run-record.js'
import type { Sighting } from './trace.js'

const udpBytes = 8
/** RFC 7348: the header of the tunnel and the Ethernet header of what it carries. */
const vxlanBytes = 8
const ethernetBytes = 14
const icmpBytes = 8
const ipBytes = { 4: 20, 6: 40 } as const

/** The headers of a packet from the outside in and what they carry, in bytes; their sum is what counts against the MTU. */
export function layersOf({ subject, headers: { outer } }: Pick<Sighting, 'subject' | 'headers'>): NonNullable<HopRecord['layers']> {
  const ip = ipOf(subject)
  if (ip === undefined) return []
  const { transport } = subject
  const header = transport?.kind === 'tcp' ? transport.headerLength : transport?.kind === 'udp' ? udpBytes : icmpBytes
  const inner = [
    { name: ip.kind === 'ipv4' ? 'IPv4' : 'IPv6', bytes: ip.headerLength },
    ...(transport === undefined ? [] : [{ name: transport.kind.toUpperCase(), bytes: header }]),
  ]
  const payload = ip.totalLength - inner.reduce((sum, { bytes }) => sum + bytes, 0)
  const family = outer?.src?.includes(':') ? 6 : 4
  return [
    ...(outer === undefined
      ? []
      : [
          { name: `outer IPv${family}`, bytes: ipBytes[family] },
          { name: 'UDP', bytes: udpBytes },
          { name: `VXLAN ${outer.vni ?? ''}`.trim(), bytes: vxlanBytes },
          { name: 'inner Ethernet', bytes: ethernetBytes },
        ]),
    ...inner,
    ...(payload > 0 ? [{ name: 'payload', bytes: payload }] : []),
  ]
}
