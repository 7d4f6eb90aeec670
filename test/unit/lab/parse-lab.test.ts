import t from 'tap'

import { PodwireError } from '../../../src/base/errors/podwire-error.js'
import { parseLab } from '../../../src/lab/parse-lab.js'

/** The lines that `text` is refused with, without the file name. */
function problems(text: string): readonly string[] {
  try {
    parseLab(text, 'lab.yaml')
  } catch (error) {
    if (!(error instanceof PodwireError) || error.code !== 'CONFIG_INVALID') throw error
    const [first, ...lines] = error.message.split('\n')
    if (first !== 'lab.yaml is not a valid lab:') throw error
    return lines.map(line => line.replace(/^ {2}lab\.yaml:/, ''))
  }
  return []
}

const cases: Readonly<Record<string, { readonly text: string; readonly want: readonly string[] }>> = {
  'a name of more than 12 characters': {
    text: 'name: a-very-long-name',
    want: ['1:7 name: use 1 to 12 of a-z, 0-9 and "-", beginning with a letter: it becomes part of names in the kernel'],
  },
  'a name that would lead out of its folder': {
    text: 'name: ../etc',
    want: ['1:7 name: use 1 to 12 of a-z, 0-9 and "-", beginning with a letter: it becomes part of names in the kernel'],
  },
  'nodes neither counted nor listed': {
    text: 'nodes: many',
    want: ['1:8 nodes: say how many nodes (1 to 90), or list them: [{name: node-1}]'],
  },
  'no node': { text: 'nodes: 0', want: ['1:8 nodes: Too small: expected number to be >=1'] },
  'an empty list of nodes': { text: 'nodes: []', want: ['1:8 nodes: list at least one node'] },
  'a node without a name': { text: 'nodes:\n  - labels: {}', want: ['2:5 nodes[0].name: is missing'] },
  'a node name that is no interface name': {
    text: 'nodes: [{name: node.example.org}]',
    want: ['1:16 nodes[0].name: use 1 to 15 of a-z, 0-9 and "-", beginning with a letter: it becomes the name of a network interface'],
  },
  "the lab's own host names": {
    text: 'nodes: [{name: control-plane}]\nexternals: [{name: underlay}]',
    want: [
      '1:16 nodes[0].name: "control-plane", "router" and "underlay" are names of the lab\'s own',
      '2:20 externals[0].name: "control-plane", "router" and "underlay" are names of the lab\'s own',
    ],
  },
  'two hosts of one name': {
    text: 'nodes: [{name: a}, {name: b}, {name: a}]\nexternals: [{name: b}]',
    want: [
      '1:38 nodes[2].name: a is already the name of nodes[0]; each host needs its own',
      '2:20 externals[0].name: b is already the name of nodes[1]; each host needs its own',
    ],
  },
  'a label that is no string': {
    text: 'nodes: [{name: a, labels: {zone: 3}}]',
    want: ['1:34 nodes[0].labels.zone: quote the value: labels are strings'],
  },
  'a label with a bad name': {
    text: 'nodes: [{name: a, labels: {"x y": z}}]',
    want: ['1:28 nodes[0].labels["x y"]: a label is a name of at most 63 of A-Z, a-z, 0-9, "-", "_" and ".", perhaps after "domain/"'],
  },
  'an MTU too small for IPv6 in Pods': {
    text: 'underlay: {mtu: 1329}',
    want: ['1:17 underlay.mtu: Pods get 50 bytes less, and IPv6 needs 1280'],
  },
  'an MTU that no device has': { text: 'underlay: {mtu: 65536}', want: ['1:17 underlay.mtu: Too big: expected number to be <=65535'] },
  'a range that is none': { text: 'pods: {cidr: 10.244.0.0}', want: ['1:14 pods.cidr: use an IPv4 range such as 10.244.0.0/16'] },
  'a range with host bits': {
    text: 'pods: {cidr: 10.244.0.1/16}',
    want: ['1:14 pods.cidr: 10.244.0.1/16 has bits set after its prefix: write the first address of the range'],
  },
  'Pods over the underlay': {
    text: 'pods: {cidr: 172.16.0.0/12}',
    want: ['1:14 pods.cidr: 172.16.0.0/12 of the Pods overlaps 172.30.0.0/24 of the underlay'],
  },
  'Services over the Pods': {
    text: 'services: {cidr: 10.244.128.0/17}',
    want: ['1:18 services.cidr: 10.244.128.0/17 of the Services overlaps 10.244.0.0/16 of the Pods'],
  },
  'a range that the kernel treats in its own way': {
    text: 'underlay: {subnet: 127.0.1.0/24}',
    want: ['1:20 underlay.subnet: 127.0.1.0/24 overlaps 127.0.0.0/8, which is loopback'],
  },
  'an underlay without room for its hosts': {
    text: 'underlay: {subnet: 172.30.0.0/26}',
    want: ["1:20 underlay.subnet: 172.30.0.0/26 has 62 addresses, but this lab's last host gets number 101; use a /24 or larger"],
  },
  'Pod ranges that do not suffice for the nodes': {
    text: 'nodes: 4\npods: {nodeMask: 18}',
    want: ['2:18 pods.nodeMask: 10.244.0.0/16 has 4 ranges of /18, but 4 nodes need 5'],
  },
  'Pod ranges larger than all Pods': {
    text: 'pods: {cidr: 10.244.0.0/24, nodeMask: 16}',
    want: ['1:39 pods.nodeMask: 10.244.0.0/24 has 0 ranges of /16, but 3 nodes need 4'],
  },
  'a Service range without room for the name server': {
    text: 'services: {cidr: 10.96.0.0/28}',
    want: ['1:18 services.cidr: 10.96.0.0/28 is too small: the name server has address number 10; use a /27 or larger'],
  },
  'a port that is none': { text: 'api: {port: 65536}', want: ['1:13 api.port: Too big: expected number to be <=65535'] },
  'a datapath that there is not': {
    text: 'datapath: vlan',
    want: ['1:11 datapath: Invalid option: expected one of "vxlan"|"routed"|"bridge"|"mixed"'],
  },
  'a segment that there is not': {
    text: 'nodes: [{name: a, segment: east}]\nexternals: [{name: b, segment: west}]',
    want: [
      '1:28 nodes[0].segment: the underlay has no segment east; it has main',
      '2:32 externals[0].segment: the underlay has no segment west; it has main',
    ],
  },
  'segments that are not apart': {
    text: 'underlay:\n  segments:\n    - {name: main, subnet: 172.30.0.0/16}\n    - {name: east, subnet: 172.31.0.0/28}',
    want: [
      '3:14 underlay.segments[0].name: main is already the name of a segment; each needs its own',
      '3:28 underlay.segments[0].subnet: 172.30.0.0/16 of segment main overlaps 172.30.0.0/24 of the underlay',
      "4:28 underlay.segments[1].subnet: 172.31.0.0/28 has 14 addresses, but this lab's last host gets number 101; use a /24 or larger",
    ],
  },
  'a flat layer 2 over several segments': {
    text: 'nodes: [{name: a}, {name: b, segment: east}]\nunderlay: {segments: [{name: east, subnet: 172.31.0.0/24}]}\ndatapath: bridge',
    want: ['3:11 datapath: bridge is one flat layer 2, but the nodes stand on 2 segments (main, east); use vxlan, routed or mixed'],
  },
  'unknown keys, with the known one that is nearest': {
    text: 'underly: {}\npods: {nodemask: 24}\nnodes: [{name: a, lables: {}}]\nfoobar: 1',
    want: [
      '1:1 unknown key underly; did you mean underlay?',
      '2:8 pods: unknown key nodemask; did you mean nodeMask?',
      '3:19 nodes[0]: unknown key lables; did you mean labels?',
      '4:1 unknown key foobar; known are name, nodes, externals, underlay, pods, services, api, ipFamily, datapath, proxy, netpol',
    ],
  },
  'something else than a lab': { text: '- 1', want: ['1:1 Invalid input: expected object, received array'] },
  'a key twice': { text: 'name: a\nname: b', want: ['2:1 Map keys must be unique'] },
  'text that is no YAML': {
    text: 'name: [',
    want: ['1:8 Flow sequence in block collection must be sufficiently indented and end with a ]'],
  },
  'an alias that leads nowhere': { text: 'name: *other', want: ['1:1 Unresolved alias (the anchor must be set before the alias): other'] },
}

for (const [name, { text, want }] of Object.entries(cases)) {
  t.test(name, async t => t.strictSame(problems(text), want))
}

t.test('all problems come at once, in the order of the file, conflicts among the valid parts too', async t => {
  const text = `name: Shop
nodes: [{name: a}, {name: a}]
pods: {cidr: 10.96.0.0/16}
api: {port: -1}
`
  t.strictSame(problems(text), [
    '1:7 name: use 1 to 12 of a-z, 0-9 and "-", beginning with a letter: it becomes part of names in the kernel',
    '2:27 nodes[1].name: a is already the name of nodes[0]; each host needs its own',
    '3:14 pods.cidr: 10.96.0.0/16 of the Services overlaps 10.96.0.0/16 of the Pods',
    '4:13 api.port: Too small: expected number to be >=0',
  ])
})

t.test('a valid file, counted and listed', async t => {
  t.match(parseLab('nodes: 2\nname: two', 'lab.yaml'), { name: 'two', nodes: [{ name: 'node-1', labels: {} }, { name: 'node-2' }] })
  const listed = parseLab('nodes:\n  - name: left\n    labels: {topology.kubernetes.io/zone: a}\n', 'lab.yaml')
  t.strictSame(listed.nodes, [{ name: 'left', labels: { 'topology.kubernetes.io/zone': 'a' }, segment: 'main' }])
  t.equal(parseLab('', 'lab.yaml').nodes.length, 3, 'an empty file is the default lab')
})
