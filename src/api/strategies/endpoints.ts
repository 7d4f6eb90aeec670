import { type FieldProblem, invalid, invalidAll, required } from '../field-problem.js'
import { oneOf } from '../field-rules.js'
import type { EndpointSlice, Endpoints } from '../generated/types.js'
import { checkDnsLabel, checkPortNumber } from '../name-format.js'
import type { Strategy } from '../resource-type.js'
import { validateImmutable, validateUnique } from '../validate-meta.js'
import { plainStrategy } from './plain-strategy.js'

const protocols = ['SCTP', 'TCP', 'UDP']
const largestSlice = 1000

export const endpointSliceStrategy: Strategy<EndpointSlice> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ ports, endpoints }) {
    for (const port of ports ?? []) {
      port.name ??= ''
      port.protocol ??= 'TCP'
    }
    for (const endpoint of endpoints ?? []) endpoint.conditions ??= {}
  },
  validate({ addressType, endpoints = [], ports = [] }) {
    const problems: FieldProblem[] = addressType ? oneOf(addressType, ['FQDN', 'IPv4', 'IPv6'], 'addressType') : [required('addressType')]
    if (endpoints.length > largestSlice) {
      problems.push({
        reason: 'FieldValueInvalid',
        field: 'endpoints',
        message: `Too many: ${endpoints.length}: must have at most ${largestSlice} items`,
      })
    }
    endpoints.forEach(({ addresses = [], hostname }, i) => {
      const at = `endpoints[${i}]`
      if (addresses.length === 0) problems.push(required(`${at}.addresses`, 'must contain at least 1 address'))
      if (addressType === 'IPv4') {
        addresses.forEach((address, j) => {
          if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) problems.push(invalid(`${at}.addresses[${j}]`, address, 'must be an IPv4 address'))
        })
      }
      if (hostname) problems.push(...invalidAll(`${at}.hostname`, hostname, checkDnsLabel(hostname)))
    })
    ports.forEach(({ name, port, protocol }, i) => {
      if (name) problems.push(...invalidAll(`ports[${i}].name`, name, checkDnsLabel(name)))
      if (port !== undefined) problems.push(...invalidAll(`ports[${i}].port`, port, checkPortNumber(port)))
      problems.push(...oneOf(protocol, protocols, `ports[${i}].protocol`))
    })
    problems.push(...validateUnique(ports.length > 1 ? ports.map(({ name }) => name || '""') : [], i => `ports[${i}].name`))
    return problems
  },
  validateUpdate: (slice, previous) => validateImmutable(slice.addressType, previous.addressType, 'addressType'),
}

export const endpointsStrategy: Strategy<Endpoints> = {
  ...plainStrategy,
  setDefaults({ subsets }) {
    for (const { ports } of subsets ?? []) for (const port of ports ?? []) port.protocol ??= 'TCP'
  },
}
