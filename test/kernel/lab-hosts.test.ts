import { readlinkSync, rmSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import t from 'tap'

import { createNamespaceHost, findMarked, namespaceHost } from '../../src/kernel/namespace-host.js'
import { downLab } from '../../src/lab/down.js'
import { labPaths } from '../../src/lab/lab-paths.js'
import { netnsSubstrate } from '../../src/lab/netns-substrate.js'
import { leftovers, observeMachine } from '../support/leftovers.js'
import { tempLabName, tempSpec, withTempHosts } from '../support/temp-hosts.js'
import { until } from '../support/until.js'

const lines = (text: string) => text.trimEnd().split('\n')

t.test('hosts reach each other over the underlay, by name, and see a real network stack', t =>
  withTempHosts(t, ['a', 'b'], async hosts => {
    t.strictSame(
      Object.values(hosts).map(({ role, host, address }) => [role, host.name, address]),
      [
        ['control-plane', 'control-plane', '172.30.0.2'],
        ['node', 'a', '172.30.0.11'],
        ['node', 'b', '172.30.0.12'],
        ['external', 'ext1', '172.30.0.101'],
      ],
    )
    for (const from of Object.values(hosts)) {
      for (const to of Object.values(hosts)) {
        const ping = await from.host.run(['busybox', 'ping', '-c', '1', '-W', '2', to.host.name], { allowFailure: true })
        t.equal(ping.exitCode, 0, `${from.host.name} reaches ${to.host.name}: ${ping.stdout}${ping.stderr}`)
      }
    }
    const { host } = hosts.a!
    const [eth0] = JSON.parse((await host.run(['ip', '-json', 'addr', 'show', 'eth0'])).stdout)
    t.match(eth0, { mtu: 1500, address: '02:50:ac:1e:00:0b', addr_info: [{ local: '172.30.0.11', prefixlen: 24 }] })
    t.strictSame(lines((await host.run(['ls', '/sys/class/net'])).stdout), ['eth0', 'lo'], 'sysfs shows the network of the host')
    const lost = await host.run(['busybox', 'ping', '-c', '1', '-W', '2', '192.0.2.1'], { allowFailure: true })
    t.equal(lost.exitCode, 1, 'nothing leaves the lab')
  }),
)

t.test('a host has files, processes and a name of its own', t =>
  withTempHosts(t, ['a', 'b'], async hosts => {
    const [a, b] = [hosts.a!.host, hosts.b!.host]
    t.equal((await a.run(['hostname'])).stdout, 'a\n')
    t.strictSame(lines((await a.run(['ps', '-e', '-o', 'pid=,args='])).stdout).map(line => line.trim().split(' ')[1])[0], 'podwire-host')
    const script = 'echo $1 > /run/file && echo $1 > /etc/podwire/file && echo $1 > /opt/file && echo $1 > /var/lib/kubelet/file'
    for (const host of [a, b]) await host.run(['sh', '-c', script, 'sh', host.name])
    for (const file of ['/run/file', '/etc/podwire/file', '/opt/file', '/var/lib/kubelet/file']) {
      t.equal((await a.run(['cat', file])).stdout, 'a\n', file)
      t.equal((await b.run(['cat', file])).stdout, 'b\n', file)
    }
    t.equal((await a.run(['ls', '/etc/passwd'])).exitCode, 0, "the machine's own files can be read")
  }),
)

t.test('work in a network namespace, of the host and of a Pod on it', t =>
  withTempHosts(t, ['a'], async hosts => {
    const { host } = hosts.a!
    const inside = host.netns(() => readlinkSync('/proc/thread-self/ns/net'))
    t.equal(inside, (await host.run(['readlink', '/proc/self/ns/net'])).stdout.trim())
    t.not(inside, readlinkSync('/proc/self/ns/net'))

    await host.run(['ip', 'netns', 'add', 'pod'])
    const pod = host.enter('/run/netns/pod')
    t.equal((await pod.run(['cat', '/etc/hostname'])).stdout, 'a\n', 'files are those of the host')
    t.strictSame(
      JSON.parse((await pod.run(['ip', '-json', 'link'])).stdout).map(({ ifname }: { ifname: string }) => ifname),
      ['lo'],
    )
    await t.rejects(host.enter('/run/netns/other').run(['true']), {
      code: 'NOT_FOUND',
      message: /open network namespace \/run\/netns\/other/,
    })
  }),
)

t.test('a log is a file of the host; a detached process belongs to its PID 1', t =>
  withTempHosts(t, ['a'], async hosts => {
    const { host } = hosts.a!
    const daemon = host.start(['sh', '-c', 'echo started; exec sleep 600'], { detached: true, logFile: '/var/log/podwire/x.log' })
    await until('the daemon to write', async () => (await host.run(['cat', '/var/log/podwire/x.log'])).stdout === 'started\n')
    process.kill(daemon.pid, 'SIGKILL') // As if the command line had been killed.
    const parentOf = async () => (await host.run(['ps', '-C', 'sleep', '-o', 'ppid='])).stdout.trim()
    await until('PID 1 to inherit the daemon', async () => (await parentOf()) === '1')
    const tail = host.start(['tail', '-n', '1', '/var/log/podwire/x.log'])
    t.equal(await text(tail.stdout!), 'started\n')
  }),
)

t.test('a host that is gone is never mistaken', async t => {
  const name = tempLabName()
  const pretended = namespaceHost({ lab: name, host: 'a', facts: {} }, process.pid)
  await t.rejects(pretended.run(['true']), { code: 'NOT_FOUND', message: /host a of lab .* is gone \(PID \d+ is another process now\)/ })
})

t.test('what is destroyed leaves the machine as it was, also hosts whose PID 1 was killed; destroying twice is nothing to do', async t => {
  for (const killed of [[], ['a'], ['a', 'control-plane', 'underlay']]) {
    await t.test(killed.join(', ') || 'none killed', async t => {
      const spec = tempSpec(['a', 'b'])
      const before = observeMachine(spec.name)
      await withTempHosts(t, spec, async hosts => {
        hosts.b!.host.start(['sleep', '600'], { detached: true })
        await hosts.a!.host.run(['mkdir', '-p', `/sys/fs/cgroup/memory/podwire/${spec.name}/a/pod1/c1`])
        for (const { pid, mark } of findMarked(spec.name)) if (killed.includes(mark.host)) process.kill(pid, 'SIGKILL')
        t.equal(await downLab(spec.name, AbortSignal.timeout(10_000)), true)
        t.equal(await downLab(spec.name, AbortSignal.timeout(10_000)), false)
        t.strictSame(await netnsSubstrate.find(spec.name), [])
      })
      t.strictSame(await leftovers(before, 5_000, spec.name), [])
    })
  }
})

t.test('hosts that are not finished leave nothing: at every moment of an abort', async t => {
  const before = observeMachine()
  for (let ms = 0; ms <= 40; ms += 5) {
    const spec = tempSpec(['a', 'b', 'c'])
    const made = netnsSubstrate.create(spec, AbortSignal.timeout(ms)).then(
      () => 'made',
      error => (error as { code?: string }).code,
    )
    const outcome = await made
    t.match(outcome, /^(made|ABORTED)$/, `after ${ms} ms`)
    if (outcome === 'made') await netnsSubstrate.destroy(spec.name, AbortSignal.timeout(10_000))
    t.strictSame(findMarked(spec.name), [])
    rmSync(labPaths(spec.name).dir, { recursive: true })
  }
  const links = (await leftovers(before, 0)).filter(line => line.startsWith('links: '))
  t.strictSame(links, [], 'the root namespace never saw an interface')
})

t.test('a host that cannot be made says why, and nothing is left', async t => {
  const name = tempLabName()
  const made = createNamespaceHost(
    { lab: name, host: 'a', facts: {} },
    [{ do: 'bind', source: '/no/such', dir: '/opt' }],
    AbortSignal.timeout(5_000),
  )
  await t.rejects(made, { code: 'COMMAND_FAILED', message: /open \/no\/such: No such file or directory/ })
  t.strictSame(findMarked(name), [])
})
