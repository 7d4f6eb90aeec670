/** Sends packets in the network namespace it was started in, as it is told on its standard input (src/flow/probe-protocol.ts). */
import { serveProbes } from '../src/flow/serve-probes.js'

await serveProbes(process.stdin, line => process.stdout.write(line))
