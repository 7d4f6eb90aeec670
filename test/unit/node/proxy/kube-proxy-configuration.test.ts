import t from 'tap'

import { bindPlace, parseKubeProxyConfiguration } from '../../../../src/node/proxy/kube-proxy-configuration.js'
import { effectiveConfiguration } from '../../../../src/node/proxy/proxy-agent.js'
import { refusalOf } from '../../../support/refusal.js'

const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'

/** A file as cluster installers write it: every field there, many of them null or empty. */
const installed = `${head}bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16,fd00:10:244::/56
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: ""
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
`

t.test('a file with a kind alone has the defaults of kube-proxy', async t => {
  t.match(parseKubeProxyConfiguration(head, 'config.yaml'), {
    mode: '',
    healthzBindAddress: '0.0.0.0:10256',
    metricsBindAddress: '127.0.0.1:10249',
    iptables: { masqueradeBit: 14, localhostNodePorts: true, syncPeriod: 30_000, minSyncPeriod: 1000 },
    conntrack: { maxPerCore: 32_768, min: 131_072, tcpEstablishedTimeout: 86_400_000, tcpCloseWaitTimeout: 3_600_000 },
  })
})

t.test('a file that an installer wrote is read unchanged: null, empty and zero are the default', async t => {
  t.match(parseKubeProxyConfiguration(installed, 'config.yaml'), {
    clientConnection: { kubeconfig: '/var/lib/kube-proxy/kubeconfig.conf', qps: 5, burst: 10 },
    clusterCIDR: '10.244.0.0/16,fd00:10:244::/56',
    healthzBindAddress: '0.0.0.0:10256',
    metricsBindAddress: '127.0.0.1:10249',
    iptables: { masqueradeBit: 14, localhostNodePorts: true, syncPeriod: 30_000, minSyncPeriod: 1000 },
    ipvs: { scheduler: 'rr', excludeCIDRs: [], syncPeriod: 30_000 },
    nodePortAddresses: [],
    oomScoreAdj: -999,
    configSyncPeriod: 900_000,
  })
})

const refused: Readonly<Record<string, { readonly text: string; readonly want: readonly string[] }>> = {
  'unknown fields, at their lines': {
    text: `${head}mod: ipvs\niptables:\n  masqueradAll: true\n`,
    want: [
      'config.yaml:3:1 unknown key mod; did you mean mode?',
      'config.yaml:5:3 iptables: unknown key masqueradAll; did you mean masqueradeAll?',
    ],
  },
  'wrong values, all at once': {
    text: `${head}mode: userspace\nhealthzBindAddress: localhost\niptables: {masqueradeBit: 32, syncPeriod: 5 s}\noomScoreAdj: 2000\n`,
    want: [
      'config.yaml:3:7 mode: must be iptables, ipvs or nftables',
      'config.yaml:4:21 healthzBindAddress: must be IP:port, such as 0.0.0.0:10256',
      'config.yaml:5:27 iptables.masqueradeBit: must be within the range [0, 31]',
      'config.yaml:5:43 iptables.syncPeriod: "5 s" is no duration; write it as 30s, 1m30s or 24h',
      'config.yaml:6:14 oomScoreAdj: must be within the range [-1000, 1000]',
    ],
  },
  'values that do not go together': {
    text: `${head}nftables: {syncPeriod: 1s, minSyncPeriod: 2s}\n`,
    want: ['config.yaml:3:43 nftables.minSyncPeriod: must be less than or equal to syncPeriod'],
  },
  'a mode of telling Pods apart that lacks its name': {
    text: `${head}detectLocalMode: BridgeInterface\n`,
    want: ['config.yaml:1:1 detectLocal.bridgeInterface: must be set for detectLocalMode BridgeInterface'],
  },
  'another kind': {
    text: 'apiVersion: v1\nkind: Pod\n',
    want: [
      'config.yaml:1:13 apiVersion: Invalid input: expected "kubeproxy.config.k8s.io/v1alpha1"',
      'config.yaml:2:7 kind: Invalid input: expected "KubeProxyConfiguration"',
    ],
  },
  'no YAML': {
    text: 'kind: [',
    want: ['config.yaml:1:8 Flow sequence in block collection must be sufficiently indented and end with a ]'],
  },
  nothing: { text: '# nothing\n', want: ['config.yaml:1:1 the file is empty'] },
}

for (const [name, { text, want }] of Object.entries(refused)) {
  t.test(`refused: ${name}`, async t => {
    const { code, message } = refusalOf(() => parseKubeProxyConfiguration(text, 'config.yaml'))
    t.equal(code, 'CONFIG_INVALID')
    t.strictSame(
      message
        .split('\n')
        .slice(1)
        .map(line => line.trim()),
      want,
    )
  })
}

t.test('where a server listens', async t => {
  t.strictSame(bindPlace('0.0.0.0:10256'), { host: '0.0.0.0', port: 10_256 })
  t.strictSame(bindPlace('[::1]:10249'), { host: '::1', port: 10_249 })
})

t.test('the command line counts more than the file, and is checked as the file is', async t => {
  t.match(effectiveConfiguration({ kubeconfig: '/k', mode: 'nftables', clusterCidr: '10.0.0.0/8', hostnameOverride: 'node-7' }), {
    mode: 'nftables',
    clusterCIDR: '10.0.0.0/8',
    hostnameOverride: 'node-7',
    clientConnection: { kubeconfig: '/k' },
  })
  t.match(refusalOf(() => effectiveConfiguration({ kubeconfig: '/k', mode: 'ebpf' })).message, /mode: must be iptables, ipvs or nftables/)
  t.match(
    refusalOf(() => effectiveConfiguration({})),
    { code: 'CONFIG_INVALID', hint: /--kubeconfig/ },
  )
  t.match(
    refusalOf(() => effectiveConfiguration({ configFile: '/nowhere/config.yaml' })),
    { message: /\/nowhere\/config.yaml cannot be read/ },
  )
})
