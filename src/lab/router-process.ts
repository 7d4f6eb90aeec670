import { nodePaths } from '../base/config/agent-config.js'
import { type Cidr, type Ip, ipFamily } from '../base/net/address.js'
import { execBird } from '../kernel/exec-bird.js'
import type { Host } from '../kernel/host.js'
import { planHosts, planSegments, podRanges } from './host-plan.js'
import { labPaths } from './lab-paths.js'
import type { LabSpec } from './lab-spec.js'

/** The first of the numbers that RFC 6996 leaves for private use. */
const firstPrivateAs = 64_512

/** The autonomous systems of a lab with several segments: one of the router, one a segment. Undefined for a lab that needs no BGP. */
export function autonomousSystems(spec: LabSpec): { readonly router: number; ofSegment(name: string): number } | undefined {
  const segments = planSegments(spec)
  if (segments.length === 1) return undefined
  return { router: firstPrivateAs, ofSegment: name => firstPrivateAs + 1 + segments.findIndex(each => each.name === name) }
}

/**
 * The router's BIRD: it takes a session from every node of every segment and tells each what the others said. A node hears of its own segment's
 * nodes with its own number in the path and drops that, as BGP has it: on one segment nodes go directly.
 */
export function routerBirdConfig(spec: LabSpec): string {
  const systems = autonomousSystems(spec)
  const router = planHosts(spec).find(({ role }) => role === 'router')
  if (systems === undefined || router === undefined) return ''
  const channel = (address: Ip, pods: Cidr): string =>
    `ipv${ipFamily(address)} { import where net ~ [ ${pods}+ ]; export where source = RTS_BGP; };`
  const ranges = podRanges(spec)
  const sessions = router.interfaces.flatMap(({ segment, addresses }, s) =>
    addresses.map(
      (address, f) => `protocol bgp {
  local ${address} as ${systems.router};
  neighbor range ${segment.subnets[f]} as ${systems.ofSegment(segment.name)};
  dynamic name "segment${s}v${ipFamily(address)}_";
  ${channel(address, ranges[f]!.cidr)}
}`,
    ),
  )
  const families = router.interfaces[0].addresses.map(ipFamily)
  return [
    `router id ${router.address};`,
    'protocol device { scan time 2; }',
    ...families.map(family => `protocol kernel { ipv${family} { import none; export where source = RTS_BGP; }; }`),
    ...sessions,
    '',
  ].join('\n')
}

/** Starts the router's BIRD; its host's PID 1 ends it. */
export async function startRouter(spec: LabSpec, host: Host, signal: AbortSignal): Promise<void> {
  const bird = execBird(host.run, {
    config: nodePaths.birdConfig,
    configHere: labPaths(spec.name).onHost(host.name, nodePaths.birdConfig),
    socket: nodePaths.birdSocket,
  })
  await bird.ensure(routerBirdConfig(spec), signal)
}
