import { existsSync, readFileSync } from 'node:fs'
import { Command } from 'commander'
import { networkpolicies } from '../../api/generated/resources.js'
import type { NetworkPolicy } from '../../api/generated/types.js'
import { PodwireError } from '../../base/errors/podwire-error.js'
import { isIp, parseIp } from '../../base/net/address.js'
import { parseManifests } from '../../client/manifests.js'
import { readPolicyWorld } from '../../flow/read-policy-world.js'
import {
  type DecidingRule,
  decide,
  type FlowEnd,
  loopbackVerdict,
  type PolicyFlow,
  type SideVerdict,
  type Verdict,
} from '../../netpol/decide.js'
import { lintPolicies } from '../../netpol/lint-policies.js'
import type { PolicyWorld } from '../../netpol/policy-world.js'
import { withInterrupt } from '../interrupt.js'
import { labOption, outputOption, requireLab } from '../lab-option.js'
import type { Parts } from '../parts.js'

interface ExplainOptions {
  readonly name?: string
  readonly output: string
  readonly namespace: string
}

/** `podwire policy explain`: exit status 1 when the flow is denied. */
export function policyCommand(parts: Parts, done: (exitStatus: number) => void): Command {
  const command = new Command('policy').description('what network policies say')
  command
    .command('explain')
    .description('whether a connection may come about, and which rules of which policies say so, at both ends')
    .argument('<from>', 'pod/NAME, NAMESPACE/NAME or an address')
    .argument('<to>', 'the same with a port: pod/web:80, shop/dns:53/udp, 10.0.0.9:443, shop/web:/icmp')
    .option('-n, --namespace <namespace>', 'of names without one', 'default')
    .addOption(labOption())
    .addOption(outputOption('text', 'json'))
    .action(async (from: string, to: string, { name, output, namespace }: ExplainOptions) => {
      const lab = await requireLab(parts, name)
      await withInterrupt(parts.terminal, 'nothing was changed', async signal => {
        const client = parts.connect(lab.kubeconfig)
        try {
          const world = await readPolicyWorld(client, signal)
          const flow = parseFlow({ from, to, namespace }, world)
          const isLoopback = flow.from.pod !== undefined && flow.from.pod === flow.to.pod
          const verdict = isLoopback ? loopbackVerdict : decide(flow, world)
          parts.terminal.out(output === 'json' ? `${JSON.stringify({ flow, verdict }, undefined, 2)}\n` : verdictText(flow, verdict))
          done(verdict.isAllowed ? 0 : 1)
        } finally {
          client.close()
        }
      })
    })
  command
    .command('lint')
    .description('policies that select nothing, allow nothing or forget DNS; exit status 1 when there are any')
    .argument('[files...]', 'policies that are not applied yet, held against the Pods of the lab')
    .addOption(labOption())
    .addOption(outputOption('text', 'json'))
    .action(async (files: readonly string[], { name, output }: { readonly name?: string; readonly output: string }) => {
      const lab = await requireLab(parts, name)
      await withInterrupt(parts.terminal, 'nothing was changed', async signal => {
        const client = parts.connect(lab.kubeconfig)
        try {
          const live = await readPolicyWorld(client, signal)
          const placed = files.flatMap(policiesOfFile)
          const world = files.length === 0 ? live : { ...live, policies: placed.map(({ policy }) => policy), clusterPolicies: [] }
          const findings = lintPolicies(world).map(finding => {
            const place = placed.find(({ policy: { metadata } }) => `${metadata?.namespace}/${metadata?.name}` === finding.policy)?.place
            return { ...finding, ...(place !== undefined && { place }) }
          })
          const lines = findings.map(
            ({ place, kind, policy, problem }) => `${place === undefined ? '' : `${place} `}${kind} ${policy}: ${problem}\n`,
          )
          parts.terminal.out(output === 'json' ? `${JSON.stringify(findings, undefined, 2)}\n` : lines.join('') || 'nothing was found\n')
          done(findings.length === 0 ? 0 : 1)
        } finally {
          client.close()
        }
      })
    })
  return command
}

/** The NetworkPolicies of a file, each with where it begins. Errors: NOT_FOUND, CONFIG_INVALID. */
function policiesOfFile(file: string): readonly { readonly policy: NetworkPolicy; readonly place: string }[] {
  if (!existsSync(file)) throw new PodwireError('NOT_FOUND', `There is no ${file}.`)
  return parseManifests(readFileSync(file, 'utf8'), file).flatMap(({ object, resource, place }) =>
    resource.kind === networkpolicies.kind
      ? [{ policy: { ...object, metadata: { namespace: 'default', ...object.metadata } } as NetworkPolicy, place }]
      : [],
  )
}

interface FlowText {
  readonly from: string
  readonly to: string
  readonly namespace: string
}

function parseFlow({ from, to, namespace }: FlowText, world: PolicyWorld): PolicyFlow {
  const [, place = '', port = '', protocol = 'tcp'] = /^(.*?):(\d*)(?:\/(tcp|udp|sctp|icmp))?$/.exec(to) ?? []
  const isIcmp = protocol === 'icmp'
  if (place === '' || (!isIcmp && (port === '' || Number(port) > 65_535))) {
    throw new PodwireError('CONFIG_INVALID', `"${to}" does not say where to`, {
      hint: 'Write PLACE:PORT or PLACE:PORT/udp, as shop/web:80; an IPv6 address in brackets.',
    })
  }
  const target = endOf(place.replace(/^\[(.*)\]$/, '$1'), namespace, world)
  const source = endOf(from, namespace, world)
  return {
    from: source,
    to: target,
    protocol: protocol as PolicyFlow['protocol'],
    ...(!isIcmp && { port: Number(port) }),
  }
}

function endOf(text: string, namespace: string, { pods: all }: PolicyWorld): FlowEnd {
  if (isIp(text)) {
    const ip = parseIp(text)
    const pod = all.find(({ addresses }) => addresses.includes(ip))
    return { ip, ...(pod !== undefined && { pod }) }
  }
  const key = text.startsWith('pod/') || !text.includes('/') ? `${namespace}/${text.replace(/^pod\//, '')}` : text
  const pod = all.find(each => each.key === key)
  const ip = pod?.addresses[0]
  if (pod !== undefined && ip !== undefined) return { ip, pod }
  throw new PodwireError('NOT_FOUND', `there is no running Pod ${key} on the Pod network`, {
    hint: "A Pod of the host's network is its node to policies: give the node's address.",
  })
}

const endText = ({ ip, pod }: FlowEnd): string => (pod === undefined ? ip : `${pod.key} (${ip})`)

function verdictText(flow: PolicyFlow, { isAllowed, egress, ingress }: Verdict): string {
  const what = flow.port === undefined ? flow.protocol : `${flow.protocol} ${flow.port}`
  return [
    `${isAllowed ? 'allowed' : 'denied'}: ${endText(flow.from)} to ${endText(flow.to)}, ${what}`,
    ...sideText('egress ', egress),
    ...sideText('ingress', ingress),
    '',
  ].join('\n')
}

const reasons = {
  Admin: 'by the Admin tier',
  NetworkPolicy: 'by NetworkPolicy',
  Baseline: 'by the Baseline tier',
  'own-node': 'between a Pod and its own node',
  default: 'no policy is about it',
  'not-a-pod': 'policies do not apply to this end',
  loopback: 'it never leaves the Pod',
} as const satisfies Record<SideVerdict['by'], string>

const sideText = (side: string, { isAllowed, by, rules, passedBy }: SideVerdict): readonly string[] => [
  `  ${side} ${isAllowed ? 'allowed' : 'denied'}: ${reasons[by]}`,
  ...passedBy.map(rule => `    passed on by ${ruleText(rule)}`),
  ...rules.map(rule => `    ${ruleText(rule)}`),
]

const ruleText = ({ kind, policy, rule, ruleName }: DecidingRule): string =>
  rule === undefined
    ? `${kind} ${policy} selects the Pod, and no rule of it allows this`
    : `${kind} ${policy}, rule ${rule}${ruleName === undefined ? '' : ` "${ruleName}"`}`
