/** The ConfigMap in which `podwire set` writes what agents are to change to; they watch it. Its keys are `proxy`, `cni` and `netpol`. */
export const agentWishes = { namespace: 'kube-system', name: 'podwire-agent' } as const

/** On a Node: the way its Services are in the kernel now. */
export const proxyAnnotation = 'podwire.dev/proxy'

/** On a Node: `MODE: why not`, while it cannot do what the ConfigMap asks of its service proxy. */
export const proxyRefusalAnnotation = 'podwire.dev/proxy-refused'

/** On a Node: what it moves Pod packets by now. */
export const datapathAnnotation = 'podwire.dev/datapath'

/** On a Node: `DATAPATH: why not`, while it cannot do what the ConfigMap asks of its Pod network. */
export const datapathRefusalAnnotation = 'podwire.dev/datapath-refused'

/** On a Node: what enforces network policies on it now. */
export const netpolAnnotation = 'podwire.dev/netpol'

/** On a Node: `MODE: why not`, while it cannot do what the ConfigMap asks of its network policies. */
export const netpolRefusalAnnotation = 'podwire.dev/netpol-refused'
