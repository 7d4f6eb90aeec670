import { cniError, cniErrorCodes } from './cni-error.js'

export const cniCommands = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const
export type CniCommand = (typeof cniCommands)[number]

/** What a runtime hands to a plugin: the CNI_* variables, and the text on standard input. */
export interface CniCall {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: string
}

/** One interface of one container. */
export interface AttachmentKey {
  readonly containerId: string
  readonly ifname: string
}

/** The Pod that a container belongs to, as CNI_ARGS says; empty for runtimes without Pods. */
export interface PodNames {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

/** What a person asks for in CNI_ARGS, unchecked; a network configuration may ask for the same in other ways. */
export interface AskedFor {
  readonly ips: readonly string[]
  readonly mac: string | undefined
}

/** The CNI_* variables of one call, checked. */
export type CniRequest =
  | (AttachmentKey & { readonly command: 'ADD' | 'CHECK'; readonly netns: string; readonly pod: PodNames; readonly asked: AskedFor })
  | (AttachmentKey & { readonly command: 'DEL'; readonly netns: string | undefined; readonly pod: PodNames; readonly asked: AskedFor })
  | { readonly command: 'GC' | 'STATUS' | 'VERSION' }

export type AddRequest = Extract<CniRequest, { command: 'ADD' | 'CHECK' }>
export type DelRequest = Extract<CniRequest, { command: 'DEL' }>

const required = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  GC: [],
  STATUS: [],
  VERSION: [],
} as const satisfies Record<CniCommand, readonly string[]>

/** Checks the variables by the rules of the specification; every failure answers code 4. */
export function parseCniRequest(env: CniCall['env']): CniRequest {
  const command = cniCommands.find(name => name === env.CNI_COMMAND)
  if (command === undefined) {
    const found = env.CNI_COMMAND ? `CNI_COMMAND is ${env.CNI_COMMAND}` : 'CNI_COMMAND is missing'
    throw badEnvironment(`${found}: it must be one of ${cniCommands.join(', ')}`)
  }
  const missing = required[command].filter(name => !env[name])
  if (missing.length > 0) throw badEnvironment(`${command} needs ${missing.join(', ')}`)
  if (command === 'GC' || command === 'STATUS' || command === 'VERSION') return { command }

  const containerId = env.CNI_CONTAINERID ?? ''
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(containerId)) {
    throw badEnvironment(`CNI_CONTAINERID ${JSON.stringify(containerId)} holds characters that are not allowed`)
  }
  const ifname = env.CNI_IFNAME ?? ''
  const isName = ifname.length <= 15 && ifname !== '.' && ifname !== '..' && !/[\s/:]/.test(ifname)
  if (!isName) {
    throw badEnvironment(`CNI_IFNAME ${JSON.stringify(ifname)} is no interface name: at most 15 characters, without "/", ":" and spaces`)
  }
  const common = { containerId, ifname, ...parseCniArgs(env.CNI_ARGS ?? '') }
  return command === 'DEL' ? { command, ...common, netns: env.CNI_NETNS || undefined } : { command, ...common, netns: env.CNI_NETNS ?? '' }
}

/** `K8S_POD_NAME=a;K8S_POD_NAMESPACE=b`: keys that are not understood are an error unless IgnoreUnknown says otherwise. */
function parseCniArgs(text: string): { readonly pod: PodNames; readonly asked: AskedFor } {
  const args = new Map<string, string>()
  for (const pair of text.split(';').filter(part => part !== '')) {
    const equals = pair.indexOf('=')
    if (equals < 1) throw badEnvironment(`CNI_ARGS: "${pair}" is not KEY=VALUE`)
    args.set(pair.slice(0, equals), pair.slice(equals + 1))
  }
  const understood = ['IgnoreUnknown', 'K8S_POD_NAMESPACE', 'K8S_POD_NAME', 'K8S_POD_UID', 'K8S_POD_INFRA_CONTAINER_ID', 'IP', 'MAC']
  const unknown = [...args.keys()].filter(key => !understood.includes(key))
  if (unknown.length > 0 && !/^(1|true)$/i.test(args.get('IgnoreUnknown') ?? '')) {
    throw badEnvironment(`CNI_ARGS: ${unknown.join(', ')} not understood`)
  }
  return {
    pod: {
      namespace: args.get('K8S_POD_NAMESPACE') ?? '',
      name: args.get('K8S_POD_NAME') ?? '',
      uid: args.get('K8S_POD_UID') ?? '',
    },
    asked: { ips: (args.get('IP') ?? '').split(',').filter(ip => ip !== ''), mac: args.get('MAC') },
  }
}

const badEnvironment = (message: string) => cniError(cniErrorCodes.badEnvironment, message)
