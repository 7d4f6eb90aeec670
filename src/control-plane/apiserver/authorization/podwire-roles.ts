import type { ClusterRole } from '../../../api/generated/types.js'
import { read, rule, write } from './rule.js'

/** What podwire's own components do beyond upstream's roles. Add here what a new part of the agent or of the server must read or write. */
export const podwireRoles: readonly ClusterRole[] = [
  {
    // One agent is kubelet, proxy, network and policy of its node; upstream gives the last three ServiceAccounts of their own.
    metadata: { name: 'podwire:agent' },
    rules: [
      rule(read, 'core', 'endpoints namespaces nodes pods services'),
      rule(read, 'core', 'configmaps', 'podwire-agent'),
      rule(read, 'discovery.k8s.io', 'endpointslices'),
      rule(read, 'networking.k8s.io', 'ingressclasses ingresses ipaddresses networkpolicies servicecidrs'),
      rule(read, 'policy.networking.k8s.io', 'clusternetworkpolicies'),
    ],
  },
  {
    // Beyond the roles of upstream's controllers.
    metadata: { name: 'podwire:controller-manager' },
    rules: [
      rule('patch', 'core', 'configmaps'),
      rule(`${read} ${write}`, 'podwire.dev', '*'),
      rule('patch update', 'apiextensions.k8s.io', 'customresourcedefinitions/status'),
    ],
  },
]

export const agentRole = 'podwire:agent'
export const controllerManagerRole = 'podwire:controller-manager'
