/** `podwire set proxy` in a lab that is up: the flows pass in the new mode, nothing of the old mode stays. */
import { join } from 'node:path'
import t from 'tap'
import { workplace } from '../support/podwire-command.js'

t.test('the mode of the service proxies changes in a lab that is up', async t => {
  const { dir, podwire, kubectl } = workplace(t)
  const up = await podwire('up')
  t.equal(up.status, 0, up.stderr)
  const pass = async (what: string) => {
    const { status, stdout, stderr } = await podwire(
      'flow',
      'test',
      'flows/clusterip-cross-node.flow.yaml',
      'flows/hairpin.flow.yaml',
      '--out',
      join(dir, what),
    )
    t.equal(status, 0, `${what}: ${stdout}${stderr}`)
  }
  const rules = async (...command: readonly string[]) => (await podwire('node', 'node-1', '--', ...command)).stdout
  const refused = await podwire('set', 'proxy', 'ipvs')
  t.equal(refused.status, 3, refused.stderr)
  t.match(refused.stderr, /KERNEL_UNSUPPORTED/)
  t.match(await rules('iptables-nft-save', '-t', 'nat'), /KUBE-SVC-/, 'what was there goes on')

  for (const [mode, old, mark] of [
    ['nftables', ['iptables-nft-save'], /KUBE-(SVC|SERVICES|POSTROUTING)/],
    ['iptables', ['nft', 'list', 'tables'], /kube-proxy/],
  ] as const) {
    const { status, stdout, stderr } = await podwire('set', 'proxy', mode)
    t.equal(status, 0, stderr)
    t.match(stdout, `proxy: ${mode} on 3 nodes`)
    t.notMatch(await rules(...old), mark, 'nothing of the old mode stays')
    if (mode === 'nftables') await pass(mode)
  }
  const kept = await kubectl('get', 'flowtests', '-o', 'jsonpath={range .items[*]}{.metadata.name}={.status.verdict} {end}')
  t.equal(kept.stdout, 'clusterip-cross-node=pass hairpin=pass ', 'the cluster keeps the tests with what was seen last')
  const { stdout } = await kubectl('get', 'configmap', '-n', 'kube-system', 'podwire-agent', '-o', 'jsonpath={.data.proxy}')
  t.equal(stdout, 'iptables')
})
