import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'

import type { Test } from 'tap'

import { labPaths } from '../../src/lab/lab-paths.js'
import { LabSpec } from '../../src/lab/lab-spec.js'
import { type NetnsLabHost, netnsSubstrate } from '../../src/lab/netns-substrate.js'

/** A lab name that no other test run uses. */
export const tempLabName = (): string => `t-${randomBytes(4).toString('hex')}`

/** A specification with these nodes and one external, under a name of its own. */
export function tempSpec(nodes: readonly string[], name: string = tempLabName()): LabSpec {
  return LabSpec.parse({ name, nodes: nodes.map(node => ({ name: node })) })
}

/**
 * Real hosts on an underlay of their own, by name: those of the specification, or one node for each name with the control plane and `ext1`.
 * They are removed when the test ends, however it ends.
 */
export async function withTempHosts(
  t: Test,
  wanted: readonly string[] | LabSpec,
  fn: (hosts: Readonly<Record<string, NetnsLabHost>>, spec: LabSpec) => Promise<void>,
): Promise<void> {
  const spec = 'name' in wanted ? wanted : tempSpec(wanted)
  t.teardown(async () => {
    await netnsSubstrate.destroy(spec.name, AbortSignal.timeout(10_000))
    rmSync(labPaths(spec.name).dir, { recursive: true, force: true })
  })
  const hosts = await netnsSubstrate.create(spec, AbortSignal.timeout(10_000))
  await fn(Object.fromEntries(hosts.map(host => [host.host.name, host])), spec)
}
