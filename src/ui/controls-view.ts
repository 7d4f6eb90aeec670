import type { LabSnapshot } from '../flow/live/watch-lab.js'
import { html, type Markup } from '../report/markup.js'
import type { RunCommand } from './command-log.js'
import type { Switch } from './switches.js'

/** The ends between which a packet can be sent from the page, as `podwire trace` names them. */
export interface Ends {
  readonly from: readonly string[]
  readonly to: readonly string[]
}

export function endsOf({ pods, facts, serviceObjects }: LabSnapshot): Ends {
  const podNames = [...pods.keys()].sort().map(key => `pod/${key}`)
  const outside = [...facts.hosts.values()].filter(({ role }) => role === 'external').map(({ name }) => `external/${name}`)
  const nodes = [...facts.hosts.values()].filter(({ role }) => role === 'node').map(({ name }) => `node/${name}`)
  const services = serviceObjects
    .filter(({ spec }) => spec?.clusterIP !== undefined)
    .flatMap(({ metadata, spec }) => (spec?.ports ?? []).map(({ port }) => `svc/${metadata?.namespace}/${metadata?.name}:${port}`))
  const ports = serviceObjects.flatMap(({ spec }) => (spec?.ports ?? []).flatMap(({ nodePort }) => nodePort ?? []))
  return {
    from: [...podNames, ...outside, ...nodes],
    to: [...services, ...podNames, ...nodes.flatMap(node => ports.map(port => `${node}:${port}`))],
  }
}

/** One packet to send: the page shows the command that does it. */
export function askView({ from, to }: Ends): Markup {
  const options = (values: readonly string[]) => values.map(value => html`<option>${value}</option>`)
  return html`<form data-form="ask"><label>from <select name="from">${options(from)}</select></label> <label>to <select name="to">${options(to)}</select></label>
<label>by <select name="protocol"><option value="">TCP</option><option value="--udp">UDP</option><option value="--icmp">ICMP</option></select></label>
<button type="submit" name="command" value="trace">Trace one packet</button> <button type="submit" name="command" value="why">Why?</button></form>`
}

/** Every switch with the command behind it. */
export function switchesView(switches: readonly Switch[]): Markup {
  const groups = [...new Set(switches.map(({ group }) => group))]
  return html`${groups.map(group => {
    const own = switches.filter(each => each.group === group)
    return html`<details id="switch-${group}"${['proxy', 'cni', 'netpol'].includes(group) && html` open`}><summary>${group}${own.some(({ isOn }) => isOn) && html`: <b>${own.flatMap(each => (each.isOn ? [each.label] : [])).join(', ')}</b>`}</summary><p>${own.map(
      ({ id, label, isOn }) =>
        html`<button type="button" data-do="run ${id}" aria-pressed="${isOn ? 'true' : 'false'}" title="${id}">${label}</button> `,
    )}</p></details>
`
  })}`
}

/** What was run, newest first. */
export function commandsView(commands: readonly RunCommand[]): Markup {
  if (commands.length === 0) return html`<p class="soft">Each button shows here the command that it runs; it can be typed as well.</p>`
  return html`<ol class="commands">${commands.map(
    ({ id, argv, state, output }) =>
      html`<li class="${state}"><code>$ ${argv.join(' ')}</code> <span class="soft">${state}</span>${state === 'running' && html` <button type="button" data-do="stop ${id}">stop</button>`}${shownOutput(argv, output)}</li>
`,
  )}</ol>`
}

/** A record for programs is drawn as a ladder and not shown as text. */
function shownOutput(argv: readonly string[], output: string): Markup | undefined {
  const text = output.trim()
  if (text === '') return undefined
  return argv.includes('json') && /[{}]/.test(text) ? html`<p class="soft">drawn as a ladder</p>` : html`<pre>${text}</pre>`
}
