import type { HostFacts } from '../flow/lab-facts.js'
import type { LabSnapshot } from '../flow/live/watch-lab.js'
import { html, type Markup } from '../report/markup.js'

/** All hosts as boxes with their interfaces, and in them the Pods of the namespaces that are shown; `busy` names the places that saw packets just now. */
export function topologyView(snapshot: LabSnapshot, namespace: string, busy: ReadonlySet<string>): Markup {
  const { facts, podObjects } = snapshot
  const namespaces = [...new Set(podObjects.map(({ metadata }) => metadata?.namespace ?? ''))].sort()
  const hosts = [...facts.hosts.values()]
  return html`<nav class="filter" aria-label="Namespaces">${['', ...namespaces].map(
    name =>
      html`<button type="button" data-do="namespace ${name}" aria-pressed="${name === namespace ? 'true' : 'false'}">${name === '' ? 'all namespaces' : name}</button>`,
  )}</nav>
${hosts.map(host => hostBox(host, snapshot, namespace, busy))}`
}

function hostBox(host: HostFacts, { podObjects }: LabSnapshot, namespace: string, busy: ReadonlySet<string>): Markup {
  const { name, role, address, uplinks, bridge, vxlan, isBridgeFiltered, attachments } = host
  const here = podObjects
    .filter(({ spec, metadata }) => spec?.nodeName === name && (namespace === '' || metadata?.namespace === namespace))
    .toSorted((a, b) => `${a.metadata?.namespace}/${a.metadata?.name}`.localeCompare(`${b.metadata?.namespace}/${b.metadata?.name}`))
  const ports = [...uplinks, ...(bridge ? [bridge] : []), ...(vxlan ? [vxlan] : [])]
  const veths = new Map(attachments.map(({ podNamespace, podName, hostVeth }) => [`${podNamespace}/${podName}`, hostVeth]))
  return html`<section class="host ${role}"><h3>${name} <span class="soft mono">${address}</span></h3>
${role === 'node' && !isBridgeFiltered && html`<p class="alarm">br_netfilter is off</p>`}
<ul class="ports">${ports.map(
    port =>
      html`<li${busy.has(`${name} ${port.name}`) && html` class="busy"`}><b>${port.name}</b> <span class="soft">MTU ${port.mtu}</span></li>`,
  )}</ul>
<ul class="pods">${here.map(({ metadata, status, spec }) => {
    const key = `${metadata?.namespace}/${metadata?.name}`
    const isReady = (status?.conditions ?? []).some(({ type, status: is }) => type === 'Ready' && is === 'True')
    const state = metadata?.deletionTimestamp !== undefined ? 'ending' : isReady ? 'ready' : 'not ready'
    return html`<li class="${isReady ? 'ready' : 'waiting'}${busy.has(`${key} eth0`) && ' busy'}"><span class="soft">${metadata?.namespace}/</span><b>${metadata?.name}</b><br><span class="mono soft">${spec?.hostNetwork === true ? 'on the host' : (status?.podIP ?? 'no address')}</span> <span class="soft">${veths.get(key)}</span>${state !== 'ready' && html` <em>${state}</em>`}</li>`
  })}</ul></section>
`
}
