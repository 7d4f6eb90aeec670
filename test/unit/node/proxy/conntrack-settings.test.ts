import t from 'tap'

import { planConntrackSettings } from '../../../../src/node/proxy/conntrack-settings.js'
import { parseKubeProxyConfiguration } from '../../../../src/node/proxy/kube-proxy-configuration.js'

const plan = (conntrack: string, cpus: number) => {
  const text = `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nconntrack: ${conntrack}\n`
  const settings = planConntrackSettings(parseKubeProxyConfiguration(text, 'config.yaml'), cpus)
  return Object.fromEntries(settings.map(({ key, value }) => [key.replace('net/netfilter/nf_conntrack_', ''), value]))
}

t.test('the size of the table grows with the CPUs and has a floor', async t => {
  t.strictSame(plan('{}', 2), { max: 131_072, tcp_timeout_established: 86_400, tcp_timeout_close_wait: 3600 })
  t.equal(plan('{}', 8).max, 262_144)
  t.equal(plan('{maxPerCore: 0}', 8).max, undefined, '0 leaves the limit alone')
})

t.test('what is given is set, in seconds', async t => {
  t.strictSame(
    plan(
      '{maxPerCore: 0, tcpEstablishedTimeout: 1h, tcpCloseWaitTimeout: 0s, udpTimeout: 90s, udpStreamTimeout: 2m, tcpBeLiberal: true}',
      2,
    ),
    {
      tcp_timeout_established: 3600,
      udp_timeout: 90,
      udp_timeout_stream: 120,
      tcp_be_liberal: 1,
    },
  )
})
