import { type FieldProblem, forbidden, invalid } from '../../api/field-problem.js'
import { badRequest, invalidObject } from '../../api/status.js'

/** A query parameter that is a yes or no; without a value it is a yes. Throws 400 for anything else. */
function flag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name)?.toLowerCase()
  if (text === undefined || text === 'false' || text === '0') return false
  if (text === '' || text === 'true' || text === '1') return true
  throw badRequest(`the parameter ${name} must be true or false, not ${JSON.stringify(text)}`)
}

function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^-?\d{1,15}$/.test(text)) throw badRequest(`the parameter ${name} must be a number, not ${JSON.stringify(text)}`)
  return Number(text)
}

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/
const podLogOptions = { group: '', resource: 'pods', kind: 'PodLogOptions' }

/** What a node is asked for a log, from what the client asked. Throws 400, or 422 with every problem. */
export function logQuery(pod: string, query: URLSearchParams): URLSearchParams {
  const problems: FieldProblem[] = []
  const asked = new URLSearchParams()
  const number = (name: string, least: 0 | 1): number | undefined => {
    const value = integer(query, name)
    if (value === undefined) return undefined
    if (value < least) problems.push(invalid(name, value, least === 1 ? 'must be greater than 0' : 'must be greater than or equal to 0'))
    asked.set(name, String(value))
    return value
  }
  number('tailLines', 0)
  number('limitBytes', 1)
  const sinceSeconds = number('sinceSeconds', 1)
  const sinceTime = query.get('sinceTime')
  if (sinceTime) {
    if (!rfc3339.test(sinceTime) || Number.isNaN(Date.parse(sinceTime))) {
      throw badRequest(`the parameter sinceTime must be a time as RFC 3339 has it, not ${JSON.stringify(sinceTime)}`)
    }
    if (sinceSeconds !== undefined) problems.push(forbidden('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'))
    asked.set('sinceTime', sinceTime)
  }
  if (problems.length > 0) throw invalidObject(podLogOptions, pod, problems)
  for (const name of ['follow', 'previous', 'timestamps']) if (flag(query, name)) asked.set(name, 'true')
  return asked
}

const streamNames = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' } as const

/** What a node is asked for exec (with `command`) or attach; nodes have names of their own for the streams. Throws 400. */
export function streamQuery(query: URLSearchParams): URLSearchParams {
  const asked = new URLSearchParams()
  for (const [name, nodeName] of Object.entries(streamNames)) if (flag(query, name)) asked.set(nodeName, '1')
  if (!asked.has('input') && !asked.has('output') && !asked.has('error')) {
    throw badRequest('you must specify at least 1 of stdin, stdout, stderr')
  }
  for (const word of query.getAll('command')) asked.append('command', word)
  return asked
}
