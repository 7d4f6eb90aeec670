import { limitranges } from '../../../api/generated/resources.js'
import type { Container, LimitRangeItem, PersistentVolumeClaim, Pod } from '../../../api/generated/types.js'
import type { Draft } from '../../../api/json.js'
import { canonicalQuantity, compareQuantities, parseQuantity } from '../../../api/quantity.js'
import type { PolicyObjects } from '../authorization/policy-objects.js'
import { type AdmissionPlugin, type AdmissionRequest, isAbout, refused } from './admission-plugin.js'

type Amounts = Readonly<Record<string, string>>
const annotation = 'kubernetes.io/limit-ranger'

/** What one thing asks for, to be held against the limits of its type. */
interface Usage {
  readonly requests: Amounts
  readonly limits: Amounts
}

/** Fills in what containers leave open and refuses what is outside the namespace's LimitRanges. Source: Kubernetes documentation, Limit Ranges. */
export function limitRangerPlugin(objects: Pick<PolicyObjects, 'list'>): AdmissionPlugin {
  const itemsFor = ({ object }: AdmissionRequest): readonly LimitRangeItem[] =>
    objects.list(limitranges, object.metadata.namespace ?? '').flatMap(({ spec }) => spec?.limits ?? [])
  return {
    name: 'LimitRanger',
    mutate(request) {
      if (request.operation !== 'CREATE' || !isAbout(request, '', 'pods')) return
      for (const item of itemsFor(request)) if (item.type === 'Container') fillIn(request.object as Draft<Pod>, item)
    },
    validate(request) {
      const problems = itemsFor(request).flatMap(item => usagesOf(request, item.type).flatMap(usage => problemsOf(item, usage)))
      if (problems.length > 0) throw refused(request, problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`)
      return undefined
    },
  }
}

function fillIn(pod: Draft<Pod>, item: LimitRangeItem): void {
  const done: string[] = []
  const note = (names: readonly string[], what: string, { name }: Container): void => {
    if (names.length > 0) done.push(`${names.toSorted().join(', ')} ${what} for container ${name}`)
  }
  for (const container of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]) {
    const { requests = {}, limits = {}, ...rest } = container.resources ?? {}
    const open = (wanted: Amounts = {}, given: Amounts): Amounts =>
      Object.fromEntries(Object.entries(wanted).filter(([name]) => !Object.hasOwn(given, name)))
    // A limit that is given is a request as well, before any default of requests.
    const newLimits = open(item.default, limits)
    const newRequests = { ...open(item.defaultRequest, { ...requests, ...limits }) }
    const all = { requests: { ...requests, ...newRequests }, limits: { ...limits, ...newLimits } }
    if (Object.keys(newLimits).length + Object.keys(newRequests).length > 0) container.resources = { ...rest, ...all }
    note(Object.keys(newRequests), 'request', container)
    note(Object.keys(newLimits), 'limit', container)
  }
  if (done.length > 0 && pod.metadata) {
    pod.metadata.annotations = { ...pod.metadata.annotations, [annotation]: `LimitRanger plugin set: ${done.join('; ')}` }
  }
}

/** The things in the request that limits of `type` are about. */
function usagesOf(request: AdmissionRequest, type: string): readonly Usage[] {
  if (type === 'PersistentVolumeClaim' && isAbout(request, '', 'persistentvolumeclaims') && request.operation !== 'DELETE') {
    return [{ requests: (request.object as PersistentVolumeClaim).spec?.resources?.requests ?? {}, limits: {} }]
  }
  if (request.operation !== 'CREATE' || !isAbout(request, '', 'pods')) return []
  const { spec } = request.object as Pod
  const usage = ({ resources }: Container): Usage => ({ requests: resources?.requests ?? {}, limits: resources?.limits ?? {} })
  const main = (spec?.containers ?? []).map(usage)
  const initial = (spec?.initContainers ?? []).map(usage)
  if (type === 'Container') return [...main, ...initial]
  if (type !== 'Pod') return []
  const whole = (field: keyof Usage): Amounts => largest([summed(main.map(one => one[field])), ...initial.map(one => one[field])])
  return [{ requests: whole('requests'), limits: whole('limits') }]
}

function summed(all: readonly Amounts[]): Amounts {
  const sum = new Map<string, bigint>()
  for (const amounts of all) {
    for (const [name, amount] of Object.entries(amounts)) sum.set(name, (sum.get(name) ?? 0n) + parseQuantity(amount))
  }
  return Object.fromEntries([...sum].map(([name, nanos]) => [name, canonicalQuantity(`${nanos}n`)]))
}

function largest(all: readonly Amounts[]): Amounts {
  const result: Record<string, string> = {}
  for (const amounts of all) {
    for (const [name, amount] of Object.entries(amounts)) {
      if (result[name] === undefined || compareQuantities(amount, result[name]) > 0) result[name] = amount
    }
  }
  return result
}

function problemsOf({ type, min = {}, max = {}, maxLimitRequestRatio = {} }: LimitRangeItem, { requests, limits }: Usage): string[] {
  const problems: string[] = []
  const isClaim = type === 'PersistentVolumeClaim'
  for (const [name, least] of Object.entries(min)) {
    const text = `minimum ${name} usage per ${type} is ${least}`
    const request = requests[name]
    const limit = limits[name]
    if (request === undefined) problems.push(`${text}.  No request is specified`)
    else if (compareQuantities(request, least) < 0) problems.push(`${text}, but request is ${request}`)
    if (limit !== undefined && compareQuantities(limit, least) < 0) problems.push(`${text}, but limit is ${limit}`)
  }
  for (const [name, most] of Object.entries(max)) {
    const text = `maximum ${name} usage per ${type} is ${most}`
    const limit = isClaim ? requests[name] : limits[name]
    const request = requests[name]
    if (limit === undefined) problems.push(`${text}.  No ${isClaim ? 'request' : 'limit'} is specified`)
    else if (compareQuantities(limit, most) > 0) problems.push(`${text}, but ${isClaim ? 'request' : 'limit'} is ${limit}`)
    else if (request !== undefined && compareQuantities(request, most) > 0) problems.push(`${text}, but request is ${request}`)
  }
  for (const [name, most] of Object.entries(maxLimitRequestRatio)) {
    const text = `${name} max limit to request ratio per ${type} is ${most}`
    const request = requests[name] === undefined ? 0n : parseQuantity(requests[name])
    const limit = limits[name] === undefined ? 0n : parseQuantity(limits[name])
    if (request === 0n) problems.push(`${text}, but no request is specified or request is 0`)
    else if (limit === 0n) problems.push(`${text}, but no limit is specified or limit is 0`)
    else if (Number(limit) / Number(request) > Number(parseQuantity(most)) / 1e9) {
      problems.push(`${text}, but provided ratio is ${(Number(limit) / Number(request)).toFixed(6)}`)
    }
  }
  return problems
}
