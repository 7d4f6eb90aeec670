import type { Attachment } from '../base/config/attachment.js'
import { type Cidr, cidrContains, cidrParts, nthAddress, parseInterfaceAddress } from '../base/net/address.js'
import { type AttachmentStore, openAttachmentStore } from './attachment-store.js'
import { cniError, cniErrorAnswer, cniErrorCodes } from './cni-error.js'
import { appendResult, type CniResult, formatResult, parsePrevResult } from './cni-result.js'
import { type CniVersion, parseCniVersion, requireCniVersion, supportedVersions } from './cni-version.js'
import type { PodInterface } from './datapath.js'
import { type Allocation, type Ipam, openIpam } from './ipam.js'
import { addLoopback, checkLoopback } from './loopback.js'
import { NetConf, PodNetConf, parseConf, parseConfText } from './net-conf.js'
import { defaultRouteFor, type PodDatapath } from './pod-interface.js'
import { hostVethAlias, hostVethName, macOfAddress } from './pod-names.js'
import { type AttachmentKey, type CniCall, type CniRequest, parseCniRequest } from './request.js'

/** What a plugin process leaves: its exit status and standard output (empty for a success without a result). */
export interface CniAnswer {
  readonly status: 0 | 1
  readonly stdout: string
}

type AddRequest = Extract<CniRequest, { command: 'ADD' | 'CHECK' }>
type DelRequest = Extract<CniRequest, { command: 'DEL' }>

/** The state of one network on this node. */
interface Network {
  readonly conf: PodNetConf
  readonly ipam: Ipam
  readonly attachments: AttachmentStore
}

export interface CniPluginOptions {
  readonly datapath: PodDatapath
  /** Why Pods cannot be added now; undefined when they can. */
  readonly notReady?: () => string | undefined
}

/**
 * The CNI plugin by specification 1.1.0, for configurations of type `podwire`, and `loopback` for containerd.
 *
 * A call never rejects: what went wrong is the answer. The caller sees to it that calls for the same container do not overlap,
 * and that GC runs alone.
 */
export function createCniPlugin({ datapath, notReady = () => undefined }: CniPluginOptions): (call: CniCall) => Promise<CniAnswer> {
  async function add(request: AddRequest, { conf, ipam, attachments }: Network): Promise<CniResult> {
    const reason = notReady()
    if (reason !== undefined) throw cniError(cniErrorCodes.tryAgainLater, reason)
    const previous = parsePrevResult(conf.prevResult)
    const addresses = await ipam.allocate(request)
    let pod: PodInterface | undefined
    try {
      pod = interfaceOf(request, conf, addresses, freeHostVeth(request, attachments))
      // An ADD that died before it was recorded may have left the pair behind.
      if (attachments.get(request) === undefined) datapath.del(pod.hostVeth)
      const { hostMac } = datapath.add(pod)
      await attachments.put(attachmentOf(request, pod))
      return appendResult(previous, resultOf(request, pod, hostMac))
    } catch (error) {
      // Code 100 says that the interface was there before: then neither it nor its address is ours to take away.
      const wasThere = cniErrorAnswer(error, '').code === cniErrorCodes.interfaceExists
      if (pod !== undefined && !wasThere) datapath.del(pod.hostVeth)
      if (!wasThere || attachments.get(request) === undefined) await ipam.release(request)
      throw error
    }
  }

  async function del(request: DelRequest, { ipam, attachments }: Network): Promise<void> {
    // An ADD that died before it was recorded may have left the pair behind.
    const hostVeth = attachments.get(request)?.hostVeth ?? freeHostVeth(request, attachments)
    await removeAttachment(request, hostVeth, { ipam, attachments })
  }

  /** In an order that a death in between does no harm: an address is free only after its interface is gone. */
  async function removeAttachment(key: AttachmentKey, hostVeth: string, { ipam, attachments }: Omit<Network, 'conf'>) {
    datapath.del(hostVeth)
    await ipam.release(key)
    await attachments.remove(key)
  }

  function check(request: AddRequest, { conf, ipam, attachments }: Network): void {
    const previous = parsePrevResult(conf.prevResult)
    if (previous === undefined) throw cniError(cniErrorCodes.badConfig, 'CHECK needs prevResult')
    const attachment = attachments.get(request)
    if (attachment === undefined) {
      throw cniError(cniErrorCodes.checkFailed, `podwire made no ${request.ifname} for container ${request.containerId}`)
    }
    const held = [...ipam.list()].filter(([, owner]) => isSameAttachment(owner, request)).map(([address]) => address)
    const lost = attachment.addresses.filter(address => !held.some(ip => address.startsWith(`${ip}/`)))
    if (lost.length > 0) throw cniError(cniErrorCodes.checkFailed, `${lost.join(', ')} is not reserved for the container any more`)
    const unknown = attachment.addresses.filter(address => !previous.ips.some(ip => ip.address === address))
    if (unknown.length > 0) throw cniError(cniErrorCodes.checkFailed, `prevResult lacks ${unknown.join(', ')}`)
    const addresses = conf.ranges.flatMap(range => attachment.addresses.flatMap(text => allocationIn(range, text)))
    datapath.check(interfaceOf(request, conf, addresses, attachment.hostVeth))
  }

  /** Goes on after an error, as the specification demands, and reports the first at the end. */
  async function collectGarbage({ conf, ipam, attachments }: Network): Promise<void> {
    const valid = (conf['cni.dev/valid-attachments'] ?? []).map(({ containerID, ifname }) => ({ containerId: containerID, ifname }))
    const isValid = (key: AttachmentKey): boolean => valid.some(other => isSameAttachment(other, key))
    const errors: unknown[] = []
    const tryTo = async (work: () => unknown): Promise<void> => {
      try {
        await work()
      } catch (error) {
        errors.push(error)
      }
    }
    for (const attachment of attachments.list().filter(key => !isValid(key))) {
      await tryTo(() => removeAttachment(attachment, attachment.hostVeth, { ipam, attachments }))
    }
    for (const owner of ipam.list().values()) if (!isValid(owner)) await tryTo(() => ipam.release(owner))
    await tryTo(() => datapath.gc(new Set(attachments.list().map(({ hostVeth }) => hostVeth)), conf.bridge))
    if (errors.length > 0) throw errors[0]
  }

  function status({ ipam }: Network): void {
    const reason = notReady()
    if (reason !== undefined) throw cniError(cniErrorCodes.notAvailable, reason)
    const full = ipam.exhausted()
    if (full.length > 0) throw cniError(cniErrorCodes.notAvailable, `no Pod address is left in ${full.join(', ')}`)
  }

  async function runPodwire(request: CniRequest, value: unknown, version: CniVersion): Promise<object | undefined> {
    const conf = parseConf(PodNetConf, value)
    const network: Network = { conf, ipam: openIpam(`${conf.stateDir}/ipam`, conf.ranges), attachments: openAttachmentStore(conf.stateDir) }
    switch (request.command) {
      case 'ADD':
        return formatResult(await add(request, network), version)
      case 'DEL':
        await del(request, network)
        return undefined
      case 'CHECK':
        check(request, network)
        return undefined
      case 'GC':
        await collectGarbage(network)
        return undefined
      case 'STATUS':
        status(network)
        return undefined
      case 'VERSION':
        return undefined
    }
  }

  return async ({ env, stdin }) => {
    let cniVersion: string = '1.1.0'
    try {
      const request = parseCniRequest(env)
      const value = parseConfText(stdin)
      if (request.command === 'VERSION') {
        return succeed({ cniVersion: typeof value.cniVersion === 'string' ? value.cniVersion : cniVersion, supportedVersions })
      }
      const version = parseCniVersion(value.cniVersion)
      cniVersion = version
      if (request.command === 'CHECK') requireCniVersion(version, '0.4.0', request.command)
      if (request.command === 'GC' || request.command === 'STATUS') requireCniVersion(version, '1.1.0', request.command)
      const { type } = parseConf(NetConf, value)
      return succeed(type === 'loopback' ? runLoopback(request, version) : await runPodwire(request, value, version))
    } catch (error) {
      return { status: 1, stdout: `${JSON.stringify(cniErrorAnswer(error, cniVersion))}\n` }
    }
  }
}

const succeed = (result: object | undefined): CniAnswer => ({
  status: 0,
  stdout: result === undefined ? '' : `${JSON.stringify(result)}\n`,
})

function runLoopback(request: CniRequest, version: CniVersion): object | undefined {
  if (request.command === 'ADD') return formatResult(addLoopback(request.netns, request.ifname), version)
  if (request.command === 'CHECK') checkLoopback(request.netns, request.ifname)
  return undefined // The loopback goes with its namespace.
}

/** The Pod's stable name, unless another container of a Pod of that name still holds it. */
function freeHostVeth(request: AddRequest | DelRequest, attachments: AttachmentStore): string {
  const name = hostVethName(request.pod, request)
  const isTaken = attachments.list().some(other => other.hostVeth === name && !isSameAttachment(other, request))
  return isTaken ? hostVethName({ namespace: '', name: '', uid: '' }, request) : name
}

function interfaceOf(request: AddRequest, conf: PodNetConf, addresses: readonly Allocation[], hostVeth: string): PodInterface {
  const [first] = addresses
  if (first === undefined) throw cniError(cniErrorCodes.badConfig, 'ranges: at least one is needed')
  return {
    netns: request.netns,
    ifname: request.ifname,
    hostVeth,
    alias: hostVethAlias(request.pod, request),
    mac: macOfAddress(first.address),
    mtu: conf.mtu,
    bridge: conf.bridge,
    addresses,
  }
}

/** The allocation that an attachment's address was, when it is from `range`. */
function allocationIn(range: Cidr, text: string): readonly Allocation[] {
  const { ip } = parseInterfaceAddress(text)
  return cidrContains(range, ip) ? [{ range, address: ip, gateway: nthAddress(range, 1) }] : []
}

const addressText = ({ address, range }: Allocation): string => `${address}/${cidrParts(range).prefix}`

const attachmentOf = (request: AddRequest, pod: PodInterface): Attachment => ({
  containerId: request.containerId,
  ifname: request.ifname,
  netns: request.netns,
  podNamespace: request.pod.namespace,
  podName: request.pod.name,
  podUid: request.pod.uid,
  hostVeth: pod.hostVeth,
  mac: pod.mac,
  addresses: pod.addresses.map(addressText),
  gateway: pod.addresses[0]?.gateway ?? '',
})

/** Interfaces in the order of the specification's examples: bridge, the end on the node, the end in the Pod that `ips` point at. */
const resultOf = (request: AddRequest, pod: PodInterface, hostMac: string): CniResult => ({
  interfaces: [
    { name: pod.bridge },
    { name: pod.hostVeth, mac: hostMac, mtu: pod.mtu },
    { name: pod.ifname, mac: pod.mac, mtu: pod.mtu, sandbox: request.netns },
  ],
  ips: pod.addresses.map(allocation => ({ address: addressText(allocation), gateway: allocation.gateway, interface: 2 })),
  routes: pod.addresses.map(({ gateway }) => ({ dst: defaultRouteFor(gateway), gw: gateway })),
  dns: {},
})

const isSameAttachment = (a: AttachmentKey, b: AttachmentKey): boolean => a.containerId === b.containerId && a.ifname === b.ifname
