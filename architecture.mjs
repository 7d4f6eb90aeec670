/**
 * The one list of rooms: who lives on which layer and who may import whom.
 *
 * The layer check, the cycle check and the table in docs/architecture.md are made from it (`npm run layers`).
 * `may` names folders under src; a folder may always import itself. A trailing file name allows that file alone.
 */

const base = ['base/errors', 'base/yaml', 'base/net', 'base/streams', 'base/time', 'base/results', 'base/config']

/** @type {readonly { room: string, layer: number, what: string, may: readonly string[] }[]} */
export const rooms = [
  { room: 'base/errors', layer: 0, what: 'the one error class and the table of codes', may: [] },
  { room: 'base/yaml', layer: 0, what: 'what is wrong in a YAML file, at its line', may: ['base/errors'] },
  { room: 'base/net', layer: 0, what: 'addresses, packets from bytes, pcapng, the vocabulary of paths', may: ['base/errors'] },
  { room: 'base/streams', layer: 0, what: 'connections that change their protocol: upgrades joined, SPDY/3.1', may: ['base/errors'] },
  { room: 'base/time', layer: 0, what: 'a clock that tests can hold', may: ['base/errors'] },
  { room: 'base/results', layer: 0, what: 'the format in which runs and flows are recorded', may: ['base/errors'] },
  { room: 'base/config', layer: 0, what: 'the files by which our processes speak to each other', may: ['base/errors', 'base/net'] },
  { room: 'api', layer: 0, what: 'Kubernetes objects: types, resource table, defaults, patches, selectors', may: base },

  { room: 'kernel', layer: 1, what: 'the only door to the machine', may: base },

  { room: 'service-model', layer: 2, what: 'Services and EndpointSlices into what must be true on this node', may: [...base, 'api'] },
  { room: 'reconcile', layer: 2, what: 'the backend contract, the bounded runner, the work queue', may: base },
  { room: 'client', layer: 2, what: 'typed API client and informers', may: [...base, 'api'] },

  { room: 'cni', layer: 3, what: 'the CNI plugin, its datapaths, IPAM', may: [...base, 'kernel', 'reconcile'] },
  { room: 'proxy-iptables', layer: 3, what: 'ServiceState as iptables rules', may: [...base, 'kernel', 'service-model', 'reconcile'] },
  { room: 'proxy-ipvs', layer: 3, what: 'ServiceState as IP virtual servers', may: [...base, 'kernel', 'service-model', 'reconcile'] },
  { room: 'proxy-nftables', layer: 3, what: 'ServiceState as nf_tables maps', may: [...base, 'kernel', 'service-model', 'reconcile'] },
  {
    room: 'netpol',
    layer: 3,
    what: 'the verdict of network policies, and the rules that enforce it',
    may: [...base, 'api', 'kernel', 'reconcile'],
  },
  { room: 'dns', layer: 3, what: 'the cluster name server, a chain of handlers', may: [...base, 'api', 'client', 'service-model'] },

  { room: 'control-plane/store', layer: 4, what: 'revisioned keys with watch', may: base },
  {
    room: 'control-plane/apiserver',
    layer: 4,
    what: 'HTTP, authentication, admission, watch over a Store',
    may: [...base, 'api', 'control-plane/store'],
  },
  { room: 'control-plane/controllers', layer: 4, what: 'a file a controller', may: [...base, 'api', 'client', 'reconcile'] },
  { room: 'control-plane/scheduler', layer: 4, what: 'filter and score plugins', may: [...base, 'api', 'client', 'reconcile'] },

  { room: 'node/kubelet', layer: 5, what: 'the Pods of one node over CRI', may: [...base, 'api', 'client', 'reconcile', 'kernel'] },
  {
    room: 'node/netpol',
    layer: 5,
    what: 'the network policies of one node, in our agent or for a cluster that is not ours',
    may: [...base, 'api', 'kernel', 'reconcile', 'client', 'netpol'],
  },
  {
    room: 'node/proxy',
    layer: 5,
    what: 'the service proxy of one node: its modes and what stands around it, in our agent or for a cluster that is not ours',
    may: [...base, 'api', 'kernel', 'service-model', 'reconcile', 'client'],
  },
  {
    room: 'node/agent',
    layer: 5,
    what: 'informers to models to backends, for one node',
    may: [
      ...base,
      'api',
      'kernel',
      'service-model',
      'reconcile',
      'client',
      'cni',
      'proxy-iptables',
      'proxy-nftables',
      'netpol',
      'node/netpol',
      'node/proxy',
      'node/kubelet',
    ],
  },

  { room: 'lab', layer: 6, what: 'a lab.yaml made real on a substrate', may: [...base, 'api', 'kernel', 'client'] },
  {
    room: 'flow',
    layer: 6,
    what: 'capture, correlate, predict, compare, explain',
    may: [
      ...base,
      'api',
      'kernel',
      'service-model',
      'client',
      'cni/path.ts',
      'netpol/decide.ts',
      'netpol/policy-world.ts',
      'netpol/cluster-network-policy.ts',
    ],
  },
  {
    room: 'bench',
    layer: 6,
    what: 'workloads, samples, statistics',
    may: [
      ...base,
      'api',
      'kernel',
      'service-model',
      'reconcile',
      'client',
      'cni',
      'proxy-iptables',
      'proxy-nftables',
      'netpol',
      'lab',
      'flow',
    ],
  },
  {
    room: 'cni-conformance',
    layer: 6,
    what: 'the rules of CNI 1.1 as cases that run against any plugin binary',
    may: ['base/errors', 'kernel'],
  },
  { room: 'report', layer: 6, what: 'one self-contained page from a RunRecord', may: base },

  {
    room: 'ui',
    layer: 7,
    what: 'the live page of a lab: what passes, what the kernel holds, and switches',
    may: [...base, 'api', 'kernel', 'client', 'flow', 'report'],
  },
  {
    room: 'cli',
    layer: 7,
    what: 'commands and their wording',
    may: [...base, 'api', 'kernel', 'client', 'netpol', 'lab', 'flow', 'bench', 'cni-conformance', 'report'],
  },
]

/** Packages that open a door to the machine; only these rooms hold the keys. */
export const doors = [
  { packages: ['execa', 'node:child_process', 'child_process', 'netlink', 'koffi', 'pcap'], rooms: ['kernel'] },
  { packages: ['ws'], rooms: ['control-plane/apiserver'] },
  { packages: ['lmdb'], rooms: ['control-plane/store'] },
  { packages: ['@grpc/grpc-js', 'protobufjs'], rooms: ['node/kubelet', 'control-plane/store'] },
  { packages: ['commander', 'listr2'], rooms: ['cli'] },
]
