import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import type { Attachment } from '../base/config/attachment.js'
import { cidrParts, type Ip, ipFamily, parseInterfaceAddress, parseIp } from '../base/net/address.js'
import type { Host } from '../kernel/host.js'
import { type AttachmentStore, openAttachmentStore } from './attachment-store.js'
import { cniError, cniErrorCodes } from './cni-error.js'
import { appendResult, type CniResult, parsePrevResult } from './cni-result.js'
import type { PodAddress, PodInterface, PodRoute } from './datapath.js'
import { callDelegate } from './delegate.js'
import { type Ipam, openIpam, textOfSet } from './ipam.js'
import { Mac, type PodNetConf, parseConf, RequestedIp } from './net-conf.js'
import { interfaceAddress, type PodDatapath } from './pod-interface.js'
import { hostVethAlias, hostVethName, macOfAddress, networkGroup } from './pod-names.js'
import { asChecked, attachmentOf, resultOf, routesOf } from './pod-result.js'
import type { AddRequest, AttachmentKey, CniCall, DelRequest } from './request.js'
import { hostPrefix, routedGateways } from './routed-end.js'

export interface PodNetworkParts {
  readonly datapath: PodDatapath
  /** Runs the plugins that addresses are left to. */
  readonly run: Host['run']
  /** Why Pods cannot be added now; undefined when they can. */
  readonly notReady: () => string | undefined
}

/** One network on this node, as one call's configuration describes it: what the operations of CNI do. */
export interface PodNetwork {
  add(request: AddRequest): Promise<CniResult>
  del(request: DelRequest): Promise<void>
  check(request: AddRequest): Promise<void>
  gc(): Promise<void>
  status(): Promise<void>
}

/** What the network gives to one Pod, before anything is made of it. */
interface Given {
  readonly addresses: readonly PodAddress[]
  readonly routes: readonly PodRoute[]
  readonly dns: CniResult['dns']
}

/** The operations of `call`. Its state directory is made when missing. */
export function openPodNetwork(parts: PodNetworkParts, conf: PodNetConf, call: CniCall): PodNetwork {
  const { datapath, run, notReady } = parts
  const ipamDir = join(conf.stateDir, 'ipam')
  const ipam: Ipam = openIpam(ipamDir, conf.ranges)
  const attachments: AttachmentStore = openAttachmentStore(conf.stateDir)
  const group = networkGroup(conf.name)
  const { delegate } = conf

  /** For the attachment of the call, or for another one. */
  const delegated = async (command: string, other?: AttachmentKey): Promise<CniResult | undefined> => {
    if (delegate === undefined) return undefined
    const named = other === undefined ? {} : { CNI_CONTAINERID: other.containerId, CNI_IFNAME: other.ifname }
    return callDelegate(run, { ...call, env: { ...call.env, ...named } }, { type: delegate, command })
  }

  /** Addresses that runtimes ask for: the newest way of asking counts. */
  function requestedIps(request: AddRequest): readonly Ip[] {
    const { runtimeConfig, args } = conf
    return runtimeConfig?.ips ?? args?.cni?.ips ?? request.asked.ips.map(text => parseConf(RequestedIp, text))
  }

  function requestedMac(request: AddRequest): string | undefined {
    const { mac } = request.asked
    return conf.runtimeConfig?.mac ?? conf.args?.cni?.mac ?? (mac === undefined ? undefined : parseConf(Mac, mac))
  }

  /** A Pod that the node routes to has no link that its addresses could be on. */
  const onLink = (address: Ip, prefix: number, gateway: Ip | undefined): PodAddress =>
    conf.bridge === undefined
      ? { address, prefix: hostPrefix(address), gateway: routedGateways[ipFamily(address)] }
      : { address, prefix, gateway }

  async function give(request: AddRequest): Promise<Given> {
    const result = await delegated('ADD')
    if (result !== undefined) return givenBy(result)
    const allocations = await ipam.allocate(request, requestedIps(request))
    const addresses = allocations.map(({ address, subnet, gateway }) => onLink(address, cidrParts(subnet).prefix, gateway))
    return { addresses, routes: defaultRoutes(addresses), dns: {} }
  }

  function givenBy({ ips, routes, dns }: CniResult): Given {
    const addresses = ips.map(ip => {
      const { ip: address, prefix } = parseInterfaceAddress(ip.address)
      return onLink(address, prefix, ip.gateway === undefined ? undefined : parseIp(ip.gateway))
    })
    if (addresses.length === 0) throw cniError(cniErrorCodes.badConfig, `${delegate} gave no address`)
    const own = routes.map(({ dst, gw }): PodRoute => {
      const isDefault = dst === '0.0.0.0/0' || dst === '::/0'
      const ofFamily = addresses.find(({ address }) => address.includes(':') === dst.includes(':'))
      const gateway = gw === undefined || conf.bridge === undefined ? ofFamily?.gateway : parseIp(gw)
      return { destination: isDefault ? 'default' : dst, gateway }
    })
    return { addresses, routes: own.length > 0 ? own : defaultRoutes(addresses), dns }
  }

  /** In an order that a death in between does no harm: an address is free only after its interface and its flows are gone. */
  async function takeAway(key: AttachmentKey, hostVeth: string | undefined): Promise<void> {
    const recorded = attachments.get(key)?.addresses.map(text => parseInterfaceAddress(text).ip) ?? []
    const addresses = [...new Set([...recorded, ...ipam.heldBy(key)])]
    if (hostVeth !== undefined) await datapath.del(hostVeth, addresses)
    // In GC too: not every plugin that gives addresses knows GC.
    await delegated('DEL', key)
    await ipam.release(key)
    attachments.remove(key)
  }

  return {
    async add(request) {
      const reason = notReady()
      if (reason !== undefined) throw cniError(cniErrorCodes.tryAgainLater, reason)
      const previous = parsePrevResult(conf.prevResult)
      const attached = attachments.get(request)
      if (attached !== undefined) await refuseSecond(request, attached)
      const mac = requestedMac(request)
      const given = await give(request)
      let pod: PodInterface | undefined
      try {
        pod = podInterface(request, given, mac)
        // An ADD that died before it was recorded may have left the pair behind.
        await datapath.del(pod.hostVeth, [])
        const { hostMac } = datapath.add(pod)
        try {
          attachments.put(attachmentOf(request, pod, conf))
          return appendResult(previous, resultOf(request, pod, { conf, hostMac, dns: given.dns }))
        } catch (error) {
          await datapath.del(pod.hostVeth, [])
          attachments.remove(request)
          throw error
        }
      } catch (error) {
        await delegated('DEL').catch(() => {}) // What went wrong first is what the runtime must know.
        await ipam.release(request)
        throw error
      }
    },

    async del(request) {
      // An ADD that died before it was recorded may have left the pair behind.
      const hostVeth = attachments.get(request)?.hostVeth ?? freeHostVeth(request)
      await takeAway(request, hostVeth)
    },

    async check(request) {
      const previous = parsePrevResult(conf.prevResult)
      if (previous === undefined) throw cniError(cniErrorCodes.badConfig, 'CHECK needs prevResult')
      const attachment = attachments.get(request)
      if (attachment === undefined) {
        throw cniError(cniErrorCodes.checkFailed, `podwire made no ${request.ifname} for container ${request.containerId}`)
      }
      const unknown = attachment.addresses.filter(address => !previous.ips.some(ip => ip.address === address))
      if (unknown.length > 0) throw cniError(cniErrorCodes.checkFailed, `prevResult lacks ${unknown.join(', ')}`)
      const addresses = attachment.addresses.map((text): PodAddress => {
        const { ip: address, prefix } = parseInterfaceAddress(text)
        const gateway = previous.ips.find(ip => ip.address === text)?.gateway
        return { address, prefix, gateway: gateway === undefined ? undefined : parseIp(gateway) }
      })
      if (delegate === undefined) {
        const held = ipam.heldBy(request)
        const lost = addresses.filter(({ address }) => !held.includes(address)).map(interfaceAddress)
        if (lost.length > 0) throw cniError(cniErrorCodes.checkFailed, `${lost.join(', ')} is not reserved for the container any more`)
      } else await delegated('CHECK')
      datapath.check(
        asChecked(
          podInterface(request, { addresses, routes: routesOf(previous, addresses), dns: {} }, attachment.mac),
          attachment,
          previous,
        ),
      )
    },

    /** Goes on after an error, as the specification demands, and reports the first at the end. */
    async gc() {
      const listed = conf['cni.dev/valid-attachments'] ?? conf['cni.dev/attachments']
      if (listed === undefined)
        throw cniError(cniErrorCodes.badConfig, 'GC needs cni.dev/valid-attachments: without it everything would go')
      const isValid = (key: AttachmentKey): boolean =>
        listed.some(({ containerID, ifname }) => containerID === key.containerId && ifname === key.ifname)
      const errors: unknown[] = []
      const tryTo = async (work: () => unknown): Promise<void> => {
        try {
          await work()
        } catch (error) {
          errors.push(error)
        }
      }
      for (const attachment of attachments.list().filter(key => !isValid(key))) {
        await tryTo(() => takeAway(attachment, attachment.hostVeth))
      }
      await tryTo(() => datapath.gc(new Set(attachments.list().map(({ hostVeth }) => hostVeth)), group))
      for (const owner of ipam.list().values()) if (!isValid(owner)) await tryTo(() => takeAway(owner, hostVethName(noPod, owner)))
      await tryTo(() => delegated('GC'))
      await tryTo(() => removeUnfinished())
      if (errors.length > 0) throw errors[0]
    },

    async status() {
      const reason = notReady()
      if (reason !== undefined) throw cniError(cniErrorCodes.notAvailable, reason)
      // A bridge that is not there yet is made by the next ADD; one that Pods need is missed.
      const trouble = conf.bridge === undefined || attachments.list().length === 0 ? undefined : datapath.trouble(conf.bridge)
      if (trouble !== undefined) throw cniError(cniErrorCodes.limitedConnectivity, trouble)
      await delegated('STATUS')
      const full = delegate === undefined ? ipam.exhausted() : []
      if (full.length > 0) throw cniError(cniErrorCodes.notAvailable, `no Pod address is left in ${full.map(textOfSet).join(' and ')}`)
    },
  }

  /** A container has an interface once. What is left of one whose namespace vanished stands in nobody's way. */
  async function refuseSecond(request: AddRequest, attached: Attachment): Promise<void> {
    if (datapath.exists(attached.hostVeth)) {
      throw cniError(
        cniErrorCodes.interfaceExists,
        `container ${request.containerId} has its ${request.ifname} already`,
        'Call DEL before ADD.',
      )
    }
    await takeAway(request, attached.hostVeth)
  }

  /** The Pod's stable name, unless another container of a Pod of that name still holds it. */
  function freeHostVeth(request: AddRequest | DelRequest): string {
    const name = hostVethName(request.pod, request)
    const isTaken = attachments.list().some(other => other.hostVeth === name && !isSameAttachment(other, request))
    return isTaken ? hostVethName(noPod, request) : name
  }

  function podInterface(request: AddRequest, { addresses, routes }: Given, mac: string | undefined): PodInterface {
    const [first] = addresses
    if (first === undefined) throw cniError(cniErrorCodes.badConfig, 'ranges: at least one is needed')
    return {
      netns: request.netns,
      ifname: request.ifname,
      hostVeth: freeHostVeth(request),
      alias: hostVethAlias(request.pod, request),
      mac: mac ?? macOfAddress(first.address),
      mtu: conf.mtu,
      bridge: conf.bridge,
      group,
      addresses,
      routes,
    }
  }

  /** What writers that were killed left of files they had not finished. */
  function removeUnfinished(): void {
    for (const dir of [ipamDir, join(conf.stateDir, 'attachments')]) {
      for (const name of readdirSync(dir)) if (/^last-.*\.\d+$|\.tmp$/.test(name)) rmSync(join(dir, name), { force: true })
    }
  }
}

const noPod = { namespace: '', name: '', uid: '' }

const defaultRoutes = (addresses: readonly PodAddress[]): readonly PodRoute[] =>
  addresses.flatMap(({ gateway }) => (gateway === undefined ? [] : [{ destination: 'default', gateway }]))

const isSameAttachment = (a: AttachmentKey, b: AttachmentKey): boolean => a.containerId === b.containerId && a.ifname === b.ifname
