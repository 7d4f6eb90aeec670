import type { Attachment } from '../base/config/attachment.js'
import type { CniResult } from './cni-result.js'
import type { CheckedPodInterface, PodAddress, PodInterface, PodRoute } from './datapath.js'
import type { PodNetConf } from './net-conf.js'
import { defaultRouteFor, interfaceAddress } from './pod-interface.js'
import type { AddRequest } from './request.js'

/** What else the result of ADD tells. */
interface Made {
  readonly conf: PodNetConf
  readonly hostMac: string
  /** What a plugin that gave the addresses says of names. */
  readonly dns: CniResult['dns']
}

/** What is kept of an interface that was made. */
export function attachmentOf(request: AddRequest, pod: PodInterface, conf: PodNetConf): Attachment {
  const { aliases } = conf.runtimeConfig ?? {}
  const labels = conf.args?.cni?.labels
  return {
    containerId: request.containerId,
    ifname: request.ifname,
    netns: request.netns,
    podNamespace: request.pod.namespace,
    podName: request.pod.name,
    podUid: request.pod.uid,
    hostVeth: pod.hostVeth,
    mac: pod.mac,
    addresses: pod.addresses.map(interfaceAddress),
    gateway: pod.addresses[0]?.gateway ?? '',
    ...(aliases === undefined ? {} : { aliases }),
    ...(labels === undefined ? {} : { labels: Object.fromEntries(labels.map(({ key, value }) => [key, value])) }),
  }
}

/**
 * The result of ADD, without those of earlier plugins.
 *
 * Interfaces in the order of the specification's examples: bridge, the end on the node, the end in the Pod that `ips` point at.
 */
export function resultOf(request: AddRequest, pod: PodInterface, { conf, hostMac, dns }: Made): CniResult {
  const interfaces = [
    ...(pod.bridge === undefined ? [] : [{ name: pod.bridge }]),
    { name: pod.hostVeth, mac: hostMac, mtu: pod.mtu },
    { name: pod.ifname, mac: pod.mac, mtu: pod.mtu, sandbox: request.netns },
  ]
  return {
    interfaces,
    ips: pod.addresses.map(address => ({
      address: interfaceAddress(address),
      interface: interfaces.length - 1,
      ...(address.gateway === undefined ? {} : { gateway: address.gateway }),
    })),
    routes: pod.routes.map(({ destination, gateway }) => ({
      dst: destination === 'default' ? defaultRouteFor(gateway ?? pod.addresses[0]!.address) : destination,
      ...(gateway === undefined ? {} : { gw: gateway }),
    })),
    dns: dnsOf(conf, dns),
  }
}

/** What the runtime says of names counts before the configuration, and that before a delegate. */
function dnsOf(conf: PodNetConf, dns: CniResult['dns']): CniResult['dns'] {
  const { servers, searches, options } = conf.runtimeConfig?.dns ?? {}
  return {
    ...dns,
    ...conf.dns,
    ...(servers === undefined ? {} : { nameservers: servers }),
    ...(searches === undefined ? {} : { search: searches }),
    ...(options === undefined ? {} : { options }),
  }
}

/** The routes of the result that lead by our gateways; others were made by other plugins. */
export const routesOf = ({ routes }: CniResult, addresses: readonly PodAddress[]): readonly PodRoute[] =>
  routes.flatMap(({ dst, gw }) => {
    const gateway = addresses.find(address => address.gateway === gw)?.gateway
    if (gw === undefined || gateway === undefined) return []
    return [{ destination: dst === '0.0.0.0/0' || dst === '::/0' ? 'default' : dst, gateway }]
  })

/** The interface as later plugins of the chain say it is: its name on the node stays, MAC and MTU they may have changed. */
export function asChecked(pod: PodInterface, { hostVeth }: Attachment, { interfaces }: CniResult): CheckedPodInterface {
  const own = interfaces.find(({ name, sandbox }) => name === pod.ifname && sandbox === pod.netns)
  return { ...pod, hostVeth, mac: own?.mac?.toLowerCase() ?? pod.mac, mtu: own?.mtu }
}
