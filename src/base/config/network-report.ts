import { z } from 'zod'

/** Where a node publishes what its Pod network is like now, as JSON of `NetworkReport`. */
export const networkReportAnnotation = 'podwire.dev/network'

/** What holds on a node beyond what it was asked for. */
export const NetworkReport = z.strictObject({
  /** net.bridge.bridge-nf-call-iptables: bridged packets pass iptables, without which a Service answered on the same node replies wrongly. */
  bridgeNetfilter: z.boolean(),
  /** BGP sessions with the destinations learnt through each; none where there is one segment. */
  bgp: z.array(z.strictObject({ name: z.string(), state: z.string(), routes: z.array(z.string()) })),
})
export type NetworkReport = z.infer<typeof NetworkReport>

/** The report in a node's annotations; undefined for none and for one that cannot be read. */
export function networkReportOf(annotations: Readonly<Record<string, string>> | undefined): NetworkReport | undefined {
  try {
    return NetworkReport.safeParse(JSON.parse(annotations?.[networkReportAnnotation] ?? '')).data
  } catch {
    return undefined
  }
}
