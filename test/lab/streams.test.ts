/** Logs and streams of containers through the real kubectl, oldest to newest: API server, kubelet and runtime pass them on. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { type BoundKubectl, bindKubectl } from '../support/kubectl.js'
import { kubectls, workplace } from '../support/podwire-command.js'
import { until } from '../support/until.js'

const toolbox = 'image: docker.io/podwire/toolbox:latest, imagePullPolicy: IfNotPresent'
const manifest = `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: streams}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: web, ${toolbox}, readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}}]
---
apiVersion: v1
kind: Pod
metadata: {name: many, labels: {app: streams}}
spec:
  terminationGracePeriodSeconds: 1
  initContainers: [{name: first, ${toolbox}, command: [sh, -c, 'seq 1 5']}]
  containers:
    - {name: shell, ${toolbox}, stdin: true, command: [sh, -c, 'while read line; do echo got $line; done; sleep 1000']}
    - {name: crash, ${toolbox}, command: [sh, -c, 'test -e /last/ran && sleep 1000; touch /last/ran; echo dying >&2; exit 3'], volumeMounts: [{name: last, mountPath: /last}]}
  volumes: [{name: last, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: never}
spec:
  containers: [{name: web, image: docker.io/podwire/no-such-image:latest, imagePullPolicy: Never}]
`

/** The words of a kubectl that must succeed. */
async function ok(t: Test, kubectl: BoundKubectl, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await kubectl.run(args, input)
  t.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`)
  return stdout
}

async function refused(t: Test, kubectl: BoundKubectl, args: readonly string[], says: RegExp): Promise<void> {
  const { code, stderr } = await kubectl.run(args)
  t.equal(code, 1, `kubectl ${args.join(' ')}`)
  t.match(stderr, says)
}

async function logs(t: Test, kubectl: BoundKubectl): Promise<void> {
  const ask = (...args: readonly string[]) => ok(t, kubectl, ['logs', ...args])
  t.equal(await ask('many', '-c', 'first'), '1\n2\n3\n4\n5\n')
  t.equal(await ask('many', '-c', 'first', '--tail=2'), '4\n5\n')
  t.equal(await ask('many', '-c', 'first', '--tail=0'), '')
  t.equal(await ask('many', '-c', 'first', '--limit-bytes=3'), '1\n2')
  t.match(await ask('many', '-c', 'first', '--timestamps', '--tail=1'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) 5\n$/)
  t.equal(await ask('many', '-c', 'first', '--since-time=2100-01-01T00:00:00Z'), '')
  t.equal(await ask('many', '-c', 'first', '--since-time=2020-01-01T00:00:00Z', '--tail=1'), '5\n')
  t.equal(await ask('many', '-c', 'first', '--since=1h', '--tail=1'), '5\n')
  t.equal(await ask('many', '-c', 'crash', '--previous'), 'dying\n')
  t.match(await ask('many', '--all-containers', '--prefix'), '[pod/many/first] 5\n')
  t.match(await ask('-l', 'app=streams', '--all-containers', '--prefix'), /\[pod\/web\/web\] .*8080/)

  await refused(t, kubectl, ['logs', 'many', '-c', 'shell', '-p'], /previous terminated container "shell" in pod "many" not found/)
  await refused(t, kubectl, ['logs', 'never'], /container "web" in pod "never" is waiting to start: ErrImageNeverPull/)
  await refused(t, kubectl, ['logs', 'nobody'], /pods "nobody" not found/)
  await refused(
    t,
    kubectl,
    ['get', '--raw', '/api/v1/namespaces/default/pods/many/log'],
    /a container name must be specified for pod many, choose one of: \[shell crash\] or one of the init containers: \[first\]/,
  )
  await refused(
    t,
    kubectl,
    ['get', '--raw', '/api/v1/namespaces/default/pods/many/log?container=x'],
    /container x is not valid for pod many/,
  )
}

async function following(t: Test, kubectl: BoundKubectl): Promise<void> {
  const follower = kubectl.start(['logs', '-f', 'many', '-c', 'shell', '--tail=0'])
  try {
    // The follower may not have begun when the first word is said, so another follows until one is seen.
    let said = 0
    const seen = follower.lines.next()
    let isSeen = false
    void seen.then(() => {
      isSeen = true
    })
    await until('a followed line', async () => {
      said += 1
      await ok(t, kubectl, ['attach', '-i', 'many', '-c', 'shell'], `word ${said}\n`)
      return isSeen
    })
    t.match((await seen).value, /^got word \d+$/)
  } finally {
    follower.stop()
  }
}

async function exec(t: Test, kubectl: BoundKubectl, dir: string): Promise<void> {
  const answer = await kubectl.run(['exec', 'web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'])
  t.match(answer, { code: 7, stdout: 'out\n', stderr: /^err\n/ })
  const { stderr: said } = await kubectl.run(['exec', '-v=4', 'web', '--', 'true'])
  t.notMatch(said, /fallback/i, 'the first protocol that is asked for is spoken')
  const bytes = 'line\n'.repeat(200_000)
  t.equal(await ok(t, kubectl, ['exec', '-i', 'web', '--', 'cat'], bytes), bytes, 'a megabyte there and back')
  t.match(await ok(t, kubectl, ['exec', 'web', '--', 'sh', '-c', 'echo "$1"', '-', 'a b&c=d%']), /^a b&c=d%\n$/)
  await refused(t, kubectl, ['exec', 'many', '-c', 'nobody', '--', 'true'], /container nobody is not valid for pod many/)
  await refused(t, kubectl, ['exec', 'never', '--', 'true'], /container not found \("web"\)/)

  const [there, back] = [join(dir, 'there'), join(dir, 'back')]
  writeFileSync(there, Buffer.alloc(300_000, 'podwire'))
  await ok(t, kubectl, ['cp', there, 'web:/tmp/copied'])
  await ok(t, kubectl, ['cp', 'web:/tmp/copied', back])
  t.ok(readFileSync(there).equals(readFileSync(back)), 'copied there and back')
}

async function portForward(t: Test, kubectl: BoundKubectl): Promise<void> {
  const forward = kubectl.start(['port-forward', '--address', '127.0.0.1', 'pod/web', ':8080'])
  try {
    const [, port] = /^Forwarding from 127\.0\.0\.1:(\d+) -> 8080$/.exec((await forward.lines.next()).value) ?? []
    const fetched = await Promise.all(
      ['/a', '/b'].map(async path => {
        const [response] = await once(get({ host: '127.0.0.1', port, path }), 'response')
        return JSON.parse(await text(response))
      }),
    )
    t.match(fetched, [
      { pod: 'web', path: '/a' },
      { pod: 'web', path: '/b' },
    ])
  } finally {
    forward.stop()
  }
}

t.test('logs and streams', async t => {
  const { dir, podwire, kubectl: plain } = workplace(t)
  const up = await podwire('up')
  t.equal(up.status, 0, up.stderr)
  const kubeconfig = join(dir, 'kubeconfig')
  const file = join(dir, 'pods.yaml')
  writeFileSync(file, manifest)
  t.equal((await plain('apply', '-f', file)).status, 0)
  t.equal((await plain('wait', '--for=condition=Ready', 'pod/web', 'pod/many', '--timeout=60s')).status, 0)
  await until('a restart, and a Pod without its image', async () => {
    const { stdout } = await plain('get', 'pods', '-o', 'jsonpath={..restartCount} {..waiting.reason}')
    return /\b1\b.*ErrImageNeverPull/.test(stdout)
  })

  for (const path of kubectls()) {
    t.test(path, async t => {
      const kubectl = bindKubectl({ file: path, version: '' }, kubeconfig)
      t.teardown(() => kubectl.dispose())
      await logs(t, kubectl)
      await following(t, kubectl)
      await exec(t, kubectl, dir)
      await portForward(t, kubectl)
    })
  }

  t.test('a client that is killed takes its streams with it, on the node too', async t => {
    const node = (await plain('get', 'pod', 'web', '-o', 'jsonpath={.spec.nodeName}')).stdout
    const connections = async () => {
      const { status, stdout, stderr } = await podwire('node', node, '--', 'ss', '-Htn', 'state', 'established', 'sport', '=', ':10250')
      t.equal(status, 0, stderr)
      return stdout.split('\n').filter(line => line !== '').length
    }
    await until('no stream of the tests before', async () => (await connections()) === 0)
    const commands = [
      ['exec', '-i', 'web', '--', 'cat'],
      ['logs', '-f', 'web'],
      ['port-forward', 'web', ':8080'],
    ]
    const clients = commands.map(argv => spawn('kubectl', ['--kubeconfig', kubeconfig, ...argv], { stdio: ['pipe', 'ignore', 'ignore'] }))
    const ended = clients.map(client => once(client, 'close'))
    await until('three streams', async () => (await connections()) === 3)
    const cats = async () => (await plain('exec', 'web', '--', 'pidof', 'cat')).status === 0
    await until('cat in the container', cats)
    for (const client of clients) client.kill('SIGKILL')
    await Promise.all(ended)
    await until('no stream', async () => (await connections()) === 0)
    await until('no cat in the container', async () => !(await cats()))
  })
})
