/**
 * Writes the tables of docs/packet-paths.md from recorded runs: node setup/packet-paths.mjs out/demo/results.json [out/routed/results.json …]
 * One table a flow: every hop as it was captured, and what changed there. Of runs after the first, which are of other datapaths, TCP between Pods, packets that are too large, and Services elsewhere are shown.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './stamp.mjs'

const page = join(root, 'docs/packet-paths.md')
const begin = '<!-- paths: made of a recorded run by node setup/packet-paths.mjs RESULTS -->'
const end = '<!-- end of paths -->'

/** Names that differ from run to run. @param {string} text */
const steady = text => text.replace(/veth[0-9a-f]{8}/g, 'veth…').replace(/-[0-9a-z]{10}-[0-9a-z]{5}\b/g, '-…')

/** @param {{ leg: string, at: string, dir: string, hop?: { interface: string, summary: string, changes: string[] } }} step */
function row({ at, dir, hop }, isFirst) {
  const changed = hop.changes.map(change => `\`${change}\``).join(', ') || (isFirst ? `\`${hop.summary}\`` : '')
  return `| \`${at}\` | \`${steady(hop.interface)}\` ${dir} | ${changed} |`
}

/** @param {readonly object[]} ladder @param {string} leg @param {string} title */
function table(ladder, leg, title) {
  const steps = ladder.filter(step => step.leg === leg && step.hop)
  if (steps.length === 0) return []
  return [`| ${title} | interface | what changed |`, '| --- | --- | --- |', ...steps.map((step, i) => row(step, i === 0)), '']
}

const files = process.argv.length > 2 ? process.argv.slice(2) : ['out/demo/results.json']
const records = files.map(file => JSON.parse(readFileSync(file, 'utf8')))
const sectionsOf = (record, isFirst) =>
  record.flows
    .filter(({ name, verdict }) => verdict === 'pass' && (isFirst || /-tcp$|-too-large$|^(ipv6-)?(service-other|node-port)/.test(name)))
    .flatMap(flow => [
      `### ${flow.name}`,
      '',
      ...(flow.description ? [flow.description.trim(), ''] : []),
      `Sent: \`${flow.sent}\`, ${flow.outcome}.`,
      '',
      ...table(flow.ladder, 'path', 'there'),
      ...table(flow.ladder, 'reply', 'back'),
    ])
const headOf = ({ lab, machine }) =>
  `Recorded with datapath ${lab.datapath} and proxy ${lab.proxy} on Linux ${machine.kernel.replace(/-.*/, '')}.`
const [first, ...others] = records
const parts = [
  [headOf(first), '', ...sectionsOf(first, true)],
  ...others.map(record => [`## Other datapaths: ${record.lab.datapath}`, '', headOf(record), '', ...sectionsOf(record, false)]),
].map(lines => lines.join('\n'))
const text = readFileSync(page, 'utf8')
const [before, rest] = text.split(begin)
const after = rest?.split(end)[1]
if (after === undefined) throw new Error(`${page} lacks the lines ${begin} and ${end}`)
writeFileSync(page, `${before}${begin}\n\n${parts.join('\n')}\n${end}${after}`)
