import { singleHandler } from './handler.js'

/** The port itself is served for the whole process; see build-servers.ts. */
export const prometheusHandler = singleHandler('prometheus', (_, { block, metrics }) =>
  metrics.plugin(
    `dns://:${block.zones[0]?.port}`,
    block.zones.map(({ zone }) => zone),
  ),
)
