import { dirname, resolve } from 'node:path'
import { stringify } from 'yaml'

import { leases, services } from '../../api/generated/resources.js'
import { parseInterfaceAddress } from '../../base/net/address.js'
import type { FlowRecord } from '../../base/results/run-record.js'
import { applyObjects } from '../../client/apply.js'
import type { Client } from '../../client/client.js'
import { parseManifests } from '../../client/manifests.js'
import type { Host } from '../../kernel/host.js'
import { applyManifestFiles } from '../apply-given.js'
import type { BoundPod } from '../bound.js'
import { parseParty } from '../explain/question.js'
import { flowOfSpec } from '../flow-of-spec.js'
import type { FlowSession } from '../flow-session.js'
import { whyFlow } from '../why/why.js'
import type { LessonStep } from './lesson-schema.js'
import type { LessonFile } from './read-lessons.js'

export interface ClassroomOptions {
  readonly lesson: LessonFile
  readonly outDir: string
  /** How long an answer is waited for. */
  readonly timeoutMs?: number
}

/** One lesson in a lab that is up. */
export interface Classroom {
  /** Does the damage. */
  break(signal: AbortSignal): Promise<void>
  /** Undoes it as the lesson says, and lets the agents go on; also what was damaged only in part. */
  mend(signal: AbortSignal): Promise<void>
  /** Asks the lesson's question: the causes are empty when all is well. */
  check(): Promise<FlowRecord>
  /** Keeps Nodes Ready whose agents are held: to be called more often than their leases expire. */
  renewLeases(signal: AbortSignal): Promise<void>
}

/** Applies what the lesson needs and waits for it. Errors: as `bindTest` and those of the manifests. */
export async function openClassroom(session: FlowSession, { lesson: file, outDir, timeoutMs }: ClassroomOptions): Promise<Classroom> {
  const { spec } = file.lesson
  const { client, hosts } = session.lab
  const { signal } = session
  await applyManifestFiles(
    spec.given.map(path => resolve(dirname(file.file), path)),
    client,
    signal,
  )
  session.forgetFacts()
  const { environment, places } = await surroundings(session, file)
  const asked = parseParty(spec.ask.to, spec.namespace)
  const service = asked.kind === 'service' ? await serviceAddress(asked.key, client, signal) : undefined

  const held = spec.holdAgentOf.map(place => places[place])
  const signalAgents = (name: 'STOP' | 'CONT', signal: AbortSignal) =>
    Promise.all(held.map(host => host.run(['pkill', `-${name}`, '-f', '[a]gent.js --config'], { signal })))
  const perform = async (steps: readonly LessonStep[], signal: AbortSignal, allowFailure: boolean): Promise<void> => {
    for (const step of steps) {
      if ('apply' in step) {
        const text = step.apply.map(object => stringify(object)).join('---\n')
        await applyObjects(client, parseManifests(text, file.file), signal)
      } else {
        await places[step.on].run(['sh', allowFailure ? '-c' : '-ec', step.run], {
          env: { ...environment, SERVICE_IP: service ?? '' },
          allowFailure,
          signal,
        })
      }
    }
  }
  return {
    async break(signal) {
      await signalAgents('STOP', signal)
      await perform(spec.break, signal, false)
    },
    async mend(signal) {
      try {
        await perform(spec.mend, signal, true)
      } finally {
        await signalAgents('CONT', signal)
      }
    },
    check: () =>
      whyFlow(session, {
        question: { namespace: spec.namespace, ...spec.ask, ...(timeoutMs !== undefined && { timeoutMs }) },
        outDir,
      }),
    async renewLeases(signal) {
      const nodes = hosts.filter(({ host }) => held.some(each => each.name === host.name)).map(({ host }) => host.name)
      for (const name of nodes) {
        const key = { namespace: 'kube-node-lease', name }
        const lease = await client.get(leases, key, signal)
        const renewTime = new Date().toISOString().replace('Z', '000Z')
        await client.update(leases, { ...lease, spec: { ...lease.spec, renewTime } }, signal)
      }
    },
  }
}

/** The ClusterIP of a Service; undefined when there is no such Service yet. */
async function serviceAddress(key: string, client: Client, signal: AbortSignal): Promise<string | undefined> {
  const [namespace = '', name = ''] = key.split('/')
  const { items } = await client.list(services, { namespace }, signal)
  return items.find(({ metadata }) => metadata?.name === name)?.spec?.clusterIP
}

/** What the steps' words stand for in this lab. */
async function surroundings(session: FlowSession, { lesson: { spec } }: LessonFile) {
  const pod = (name: string) => ({ pod: `${spec.namespace}/${name}` })
  const document = flowOfSpec(
    {
      bind: { client: pod(spec.pods.client), server: pod(spec.pods.server) },
      send: { from: '$client', to: '$server', icmp: {} },
      expect: { outcome: 'delivered' },
    },
    { name: 'lesson', madeBy: 'lesson' },
  )
  const { bound, facts } = await session.prepare(document)
  const of = (alias: 'client' | 'server') => {
    const pod = bound.bindings.get(alias) as BoundPod
    const node = facts.hosts.get(pod.node)!
    const attachment = node.attachments.find(({ hostVeth }) => hostVeth === pod.veth)
    const address = attachment?.addresses.find(each => each.startsWith(`${pod.ip}/`))
    const words = {
      IP: pod.ip,
      VETH: pod.veth,
      MAC: pod.mac,
      NODE_IP: node.address,
      RANGE: address === undefined ? '' : parseInterfaceAddress(address).cidr,
      VXLAN_IP: node.vxlan?.addresses[0] ?? '',
      VXLAN_MAC: node.vxlan?.mac ?? '',
    }
    return { pod, node, words }
  }
  const [client, server] = [of('client'), of('server')]
  const named = (prefix: string, words: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(words).map(([name, value]) => [`${prefix}_${name}`, value]))
  return {
    environment: {
      ...named('CLIENT', client.words),
      ...named('SERVER', server.words),
      BRIDGE: client.node.bridge?.name ?? '',
      VXLAN: client.node.vxlan?.name ?? '',
      UPLINK: client.node.uplink?.name ?? '',
    },
    places: {
      client: client.pod.host,
      server: server.pod.host,
      'client.node': client.node.host,
      'server.node': server.node.host,
    } satisfies Record<string, Host>,
  }
}
