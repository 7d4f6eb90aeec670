import { type FieldProblem, invalid, required } from '../field-problem.js'
import { oneOf } from '../field-rules.js'
import type { ServiceSpec } from '../generated/types.js'
import { type Draft, jsonEqual } from '../json.js'

export type ServiceFamily = 'IPv4' | 'IPv6'

export const familyOfAddress = (address: string): ServiceFamily => (address.includes(':') ? 'IPv6' : 'IPv4')
const otherFamily = (family: string): ServiceFamily => (family === 'IPv4' ? 'IPv6' : 'IPv4')

/**
 * Settles which address families a Service has (KEP-563): fills what the writer left open, from the Service as it was and from the
 * cluster's families, the first of which is the default. Returns what it asks for and cannot have. Not for external names.
 */
export function settleFamilies(
  spec: Draft<ServiceSpec>,
  previous: ServiceSpec | undefined,
  cluster: readonly ServiceFamily[],
): FieldProblem[] {
  const before = previous && previous.type !== 'ExternalName' ? previous : undefined
  if (before) carryOver(spec, before)
  const asked = (spec.clusterIPs ?? []).filter(address => address !== 'None' && address !== '')
  const isHeadless = spec.clusterIP === 'None'
  const hasSelector = Object.keys(spec.selector ?? {}).length > 0

  const problems = checkFamilies(spec, asked, cluster, isHeadless && !hasSelector)
  if (problems.length > 0) return problems
  if (spec.ipFamilyPolicy === undefined) {
    // Nobody knows what stands behind a headless Service without a selector: it may be of both families everywhere.
    spec.ipFamilyPolicy = isHeadless && !hasSelector && (spec.ipFamilies?.length ?? 0) < 2 ? 'RequireDualStack' : 'SingleStack'
  }
  const families = [...(spec.ipFamilies ?? [])]
  for (const address of asked.slice(families.length)) families.push(familyOfAddress(address))
  if (families.length === 0) families.push(cluster[0] ?? 'IPv4')
  const mayHaveBoth = cluster.length > 1 || (isHeadless && !hasSelector)
  if (families.length === 1 && spec.ipFamilyPolicy !== 'SingleStack' && mayHaveBoth) families.push(otherFamily(families[0]!))
  spec.ipFamilies = families
  return before ? checkChange(spec, before) : []
}

/** What the writer leaves out stays; a Service that becomes single-stack gives up its second family without being told to. */
function carryOver(spec: Draft<ServiceSpec>, before: ServiceSpec): void {
  const wasHeadless = before.clusterIP === 'None'
  if (!spec.clusterIP && before.clusterIP) {
    spec.clusterIP = before.clusterIP
    spec.clusterIPs ??= [...(before.clusterIPs ?? [])]
  }
  spec.clusterIPs ??= spec.clusterIP === before.clusterIP ? [...(before.clusterIPs ?? [])] : spec.clusterIP ? [spec.clusterIP] : []
  spec.ipFamilyPolicy ??= before.ipFamilyPolicy ?? 'SingleStack'
  spec.ipFamilies ??= [...(before.ipFamilies ?? [])]
  if (spec.ipFamilyPolicy !== 'SingleStack' || before.ipFamilyPolicy === 'SingleStack') return
  if (jsonEqual(spec.ipFamilies, before.ipFamilies)) spec.ipFamilies = spec.ipFamilies.slice(0, 1)
  if (!wasHeadless && jsonEqual(spec.clusterIPs, before.clusterIPs)) spec.clusterIPs = spec.clusterIPs.slice(0, 1)
}

function checkFamilies(
  spec: Draft<ServiceSpec>,
  asked: readonly string[],
  cluster: readonly ServiceFamily[],
  isOpen: boolean,
): FieldProblem[] {
  const { ipFamilyPolicy: policy, ipFamilies = [] } = spec
  const problems = oneOf(policy, ['PreferDualStack', 'RequireDualStack', 'SingleStack'], 'spec.ipFamilyPolicy')
  if (ipFamilies.length > 2) problems.push(invalid('spec.ipFamilies', ipFamilies, 'may only hold up to 2 values'))
  ipFamilies.forEach((family, i) => {
    const at = `spec.ipFamilies[${i}]`
    if (family !== 'IPv4' && family !== 'IPv6') problems.push(...oneOf(family, ['IPv4', 'IPv6'], at))
    else if (ipFamilies.indexOf(family) < i)
      problems.push({ reason: 'FieldValueDuplicate', field: at, message: `Duplicate value: "${family}"` })
    else if (!cluster.includes(family) && !isOpen) problems.push(invalid(at, family, 'not configured on this cluster'))
  })
  asked.forEach((address, i) => {
    const family = ipFamilies[i]
    if (family !== undefined && familyOfAddress(address) !== family) {
      problems.push(invalid(`spec.clusterIPs[${i}]`, address, `expected an ${family} value as indicated by \`ipFamilies[${i}]\``))
    } else if (!cluster.includes(familyOfAddress(address))) {
      problems.push(invalid(`spec.clusterIPs[${i}]`, address, `${familyOfAddress(address)} is not configured on this cluster`))
    }
  })
  if (asked.length === 2 && familyOfAddress(asked[0]!) === familyOfAddress(asked[1]!)) {
    problems.push(invalid('spec.clusterIPs', spec.clusterIPs, 'may specify no more than one IP for each IP family'))
  }
  if (policy === 'RequireDualStack' && cluster.length < 2 && !isOpen) {
    problems.push(invalid('spec.ipFamilyPolicy', policy, 'this cluster is not configured for dual-stack services'))
  }
  const isDual = ipFamilies.length > 1 || asked.length > 1
  if (isDual && policy === 'SingleStack') {
    const what = ipFamilies.length > 1 ? 'ipFamilies' : 'clusterIPs'
    problems.push(invalid('spec.ipFamilyPolicy', policy, `may only be set to SingleStack when at most one value of ${what} is given`))
  } else if (isDual && policy === undefined) {
    problems.push(required('spec.ipFamilyPolicy', 'must be RequireDualStack or PreferDualStack when two families are given'))
  }
  return problems
}

function checkChange(spec: Draft<ServiceSpec>, before: ServiceSpec): FieldProblem[] {
  const problems: FieldProblem[] = []
  const unchangeable = 'may not change once set'
  if (before.ipFamilies?.[0] && spec.ipFamilies?.[0] !== before.ipFamilies[0]) {
    problems.push(invalid('spec.ipFamilies[0]', spec.ipFamilies?.[0], unchangeable))
  }
  const secondStays = spec.ipFamilyPolicy !== 'SingleStack'
  if (secondStays && before.ipFamilies?.[1] && spec.ipFamilies?.[1] !== before.ipFamilies[1]) {
    problems.push(invalid('spec.ipFamilies[1]', spec.ipFamilies?.[1] ?? null, unchangeable))
  }
  if (before.clusterIP && spec.clusterIPs?.[0] !== before.clusterIP) {
    problems.push(invalid('spec.clusterIPs[0]', spec.clusterIPs ?? null, unchangeable))
  }
  if (secondStays && before.clusterIPs?.[1] && spec.clusterIPs?.[1] && spec.clusterIPs[1] !== before.clusterIPs[1]) {
    problems.push(invalid('spec.clusterIPs[1]', spec.clusterIPs, unchangeable))
  }
  return problems
}
