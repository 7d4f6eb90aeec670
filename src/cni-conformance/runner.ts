import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { z } from 'zod'

import { PodwireError } from '../base/errors/podwire-error.js'
import type { Host } from '../kernel/host.js'
import { type NetworkList, ownConf, type PluginConf, type Subject } from './subject.js'

/** What a plugin left when it ended. */
export interface Answer {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** Standard output as JSON; undefined when it is none. */
  readonly json: unknown
}

/** A container as the runtime names it to plugins, and one interface of it. */
export interface Attachment {
  readonly containerId: string
  readonly netns: string | undefined
  readonly ifname: string
}

export interface CallOptions {
  /** Instead of what the runtime would set; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Keys put into the configuration; undefined removes one. */
  readonly conf?: Readonly<Record<string, unknown>>
  /** Standard input as it is, in the place of a configuration. */
  readonly stdin?: string
}

/** What a runtime knows of an attachment besides its name: by capability. */
export type RuntimeConfig = Readonly<Record<string, unknown>>

/**
 * What libcni does with a network: the plugins in order for ADD and CHECK, in reverse for DEL, each result handed to the next as
 * `prevResult`, the last one kept for CHECK and DEL; `runtimeConfig` for the capabilities a plugin declares, and never `capabilities` itself.
 */
export interface Runner {
  /** One call of the plugin under test, with nothing before or behind it. */
  call(command: string, attachment: Partial<Attachment>, options?: CallOptions): Promise<Answer>
  /** Stops at the first plugin that fails and returns its answer; else the answer of the last. */
  add(attachment: Attachment, runtimeConfig?: RuntimeConfig): Promise<Answer>
  /** With the result of ADD, unless told another. */
  check(attachment: Attachment, prevResult?: unknown): Promise<Answer>
  /** Stops at the first plugin that fails. */
  del(attachment: Attachment): Promise<Answer>
  /** Goes on after a plugin that fails, and returns the first failure. */
  gc(valid: readonly Attachment[]): Promise<Answer>
  status(): Promise<Answer>
  /** What each plugin of the network answers to VERSION. */
  versions(): Promise<readonly (readonly string[])[]>
  /** What was tried to add, and not deleted with success since. */
  outstanding(): readonly Attachment[]
  /** The result of the ADD that succeeded last. */
  resultOf(attachment: Attachment): unknown
}

export interface RunnerOptions {
  readonly subject: Subject
  /** Runs programs in the node's network namespace. */
  readonly run: Host['run']
  /** In the place of the network's. */
  readonly cniVersion?: string
  readonly signal: AbortSignal
}

const limitMs = 60_000

const Versions = z.looseObject({ supportedVersions: z.array(z.string()) })

export function createRunner({ subject, run, cniVersion = subject.list.cniVersion, signal }: RunnerOptions): Runner {
  const { file, list } = subject
  const folders = [dirname(file), ...(subject.path ?? [])]
  const own = ownConf(subject)
  const cache = new Map<string, { result: unknown; runtimeConfig: RuntimeConfig }>()
  const tried = new Map<string, Attachment>()
  const keyOf = ({ containerId, ifname }: Attachment): string => `${containerId}/${ifname}`

  async function execute(
    program: string,
    command: string,
    attachment: Partial<Attachment>,
    { env = {}, stdin = '' }: CallOptions,
  ): Promise<Answer> {
    const variables: Readonly<Record<string, string | undefined>> = {
      ...subject.env,
      CNI_COMMAND: command,
      CNI_CONTAINERID: attachment.containerId,
      CNI_NETNS: attachment.netns,
      CNI_IFNAME: attachment.ifname,
      CNI_PATH: folders.join(':'),
      ...env,
    }
    const set = Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined)
    const result = await run([program], { input: stdin, env: Object.fromEntries(set), allowFailure: true, timeoutMs: limitMs, signal })
    return { ...result, json: parseJson(result.stdout) }
  }

  function programOf(plugin: PluginConf): string {
    if (plugin === own) return file
    const { type } = plugin
    const program = folders.map(folder => join(folder, type)).find(candidate => existsSync(candidate))
    if (program === undefined) throw new PodwireError('NOT_FOUND', `there is no plugin ${type} in ${folders.join(', ')}`)
    return program
  }

  const confOf = (plugin: PluginConf, more: Readonly<Record<string, unknown>>): string => {
    const { capabilities, ...conf } = plugin
    return JSON.stringify({ ...conf, name: list.name, cniVersion, ...more })
  }

  /** What of the runtime's knowledge is the plugin's business. */
  function runtimeConfigFor({ capabilities = {} }: PluginConf, known: RuntimeConfig): { runtimeConfig?: RuntimeConfig } {
    const wanted = Object.entries(known).filter(([name]) => capabilities[name])
    return wanted.length === 0 ? {} : { runtimeConfig: Object.fromEntries(wanted) }
  }

  async function each(
    plugins: NetworkList['plugins'] | readonly PluginConf[],
    command: string,
    attachment: Partial<Attachment>,
    moreFor: (plugin: PluginConf, last: Answer | undefined) => Readonly<Record<string, unknown>>,
  ): Promise<Answer> {
    let last: Answer | undefined
    for (const plugin of plugins) {
      last = await execute(programOf(plugin), command, attachment, { stdin: confOf(plugin, moreFor(plugin, last)) })
      if (last.exitCode !== 0) return last
    }
    return last ?? silent
  }

  const remember = (attachment: Attachment) => tried.set(keyOf(attachment), attachment)
  const prevResult = (result: unknown) => (result === undefined ? {} : { prevResult: result })

  return {
    call(command, attachment, options = {}) {
      const { containerId, ifname, netns } = attachment
      if (command === 'ADD' && containerId !== undefined && ifname !== undefined) remember({ containerId, ifname, netns })
      return execute(file, command, attachment, { ...options, stdin: options.stdin ?? confOf(own, options.conf ?? {}) })
    },
    async add(attachment, runtimeConfig = {}) {
      remember(attachment)
      const answer = await each(list.plugins, 'ADD', attachment, (plugin, last) => ({
        ...runtimeConfigFor(plugin, runtimeConfig),
        ...prevResult(last?.json),
      }))
      if (answer.exitCode === 0) cache.set(keyOf(attachment), { result: answer.json, runtimeConfig })
      return answer
    },
    check(attachment, result) {
      const cached = cache.get(keyOf(attachment))
      return each(list.plugins, 'CHECK', attachment, plugin => ({
        ...runtimeConfigFor(plugin, cached?.runtimeConfig ?? {}),
        ...prevResult(result ?? cached?.result),
      }))
    },
    async del(attachment) {
      const cached = cache.get(keyOf(attachment))
      const answer = await each([...list.plugins].reverse(), 'DEL', attachment, plugin => ({
        ...runtimeConfigFor(plugin, cached?.runtimeConfig ?? {}),
        ...prevResult(cached?.result),
      }))
      if (answer.exitCode === 0) {
        cache.delete(keyOf(attachment))
        tried.delete(keyOf(attachment))
      }
      return answer
    },
    async gc(valid) {
      const attachments = valid.map(({ containerId, ifname }) => ({ containerID: containerId, ifname }))
      const more = { 'cni.dev/valid-attachments': attachments, 'cni.dev/attachments': attachments }
      const answers: Answer[] = []
      for (const plugin of list.plugins) answers.push(await execute(programOf(plugin), 'GC', {}, { stdin: confOf(plugin, more) }))
      return answers.find(({ exitCode }) => exitCode !== 0) ?? silent
    },
    status: () => each(list.plugins, 'STATUS', {}, () => ({})),
    versions: () =>
      Promise.all(
        list.plugins.map(async plugin => {
          const { json } = await execute(programOf(plugin), 'VERSION', {}, { stdin: JSON.stringify({ cniVersion: list.cniVersion }) })
          return Versions.safeParse(json).data?.supportedVersions ?? []
        }),
      ),
    outstanding: () => [...tried.values()],
    resultOf: attachment => cache.get(keyOf(attachment))?.result,
  }
}

const silent: Answer = { exitCode: 0, stdout: '', stderr: '', json: undefined }

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
