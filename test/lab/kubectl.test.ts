/** The real kubectl, unmodified, drives a lab: the one on the PATH, and the oldest and newest versions beside it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { kubectls, workplace } from '../support/podwire-command.js'

const manifest = `
apiVersion: v1
kind: Namespace
metadata: {name: green}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo, namespace: green}
spec:
  replicas: 2
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: echo
          image: docker.io/podwire/toolbox:latest
          imagePullPolicy: IfNotPresent
          readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: green}
spec:
  selector: {app: echo}
  ports: [{port: 80, targetPort: 8080}]
`

for (const path of kubectls()) {
  t.test(path, async t => {
    const { dir, lab, podwire, kubectl } = workplace(t, path)
    const up = await podwire('up', '-o', 'json')
    t.equal(up.status, 0, up.stderr)
    t.match(JSON.parse(up.stdout), { lab, context: `podwire-${lab}`, steps: [{ step: String, ms: Number }] })

    /** The words of a kubectl that must succeed. */
    const ok = async (...argv: readonly string[]) => {
      const { status, stdout, stderr } = await kubectl(...argv)
      t.equal(status, 0, `kubectl ${argv.join(' ')}: ${stderr}`)
      return stdout
    }
    t.equal((await ok('config', 'current-context')).trim(), `podwire-${lab}`)
    t.match(await ok('get', 'nodes'), /node-1 +Ready[\s\S]*node-2 +Ready[\s\S]*node-3 +Ready/)

    const file = join(dir, 'echo.yaml')
    writeFileSync(file, manifest)
    t.match(await ok('apply', '-f', file), 'deployment.apps/echo created')
    t.match(await ok('apply', '-f', file), 'deployment.apps/echo unchanged')
    t.match(await ok('-n', 'green', 'rollout', 'status', 'deployment/echo', '--timeout=60s'), 'successfully rolled out')

    t.match(await ok('-n', 'green', 'get', 'deployment', 'echo'), /echo +2\/2 +2 +2/)
    t.equal((await ok('-n', 'green', 'get', 'pods', '-l', 'app=echo', '-o', 'name')).trim().split('\n').length, 2)
    t.match(
      await ok('-n', 'green', 'describe', 'deployment', 'echo'),
      /Replicas: +2 desired \| 2 updated \| 2 total \| 2 available \| 0 unavailable/,
    )
    // Older kubectls describe a Service by its Endpoints, which this API does not serve.
    t.match(await ok('-n', 'green', 'get', 'endpointslices'), /IPv4 +8080 +10\.244\.\d+\.\d+,10\.244\.\d+\.\d+/)

    await ok('-n', 'green', 'scale', 'deployment/echo', '--replicas=3')
    await ok('-n', 'green', 'rollout', 'status', 'deployment/echo', '--timeout=60s')
    t.match(await ok('-n', 'green', 'get', 'deployment', 'echo'), /echo +3\/3 +3 +3/)

    await ok('-n', 'green', 'label', 'deployment/echo', 'tier=front')
    t.equal(await ok('-n', 'green', 'get', 'deployment', 'echo', '-o', 'jsonpath={.metadata.labels.tier}'), 'front')

    await ok('-n', 'green', 'delete', 'deployment', 'echo', '--timeout=60s')
    await ok('-n', 'green', 'wait', '--for=delete', 'pod', '-l', 'app=echo', '--timeout=60s')
    t.equal(await ok('-n', 'green', 'get', 'pods', '-o', 'name'), '')
    await ok('delete', 'namespace', 'green', '--timeout=60s')
  })
}

t.test('there is a kubectl to drive it', async t => {
  t.not(kubectls().length, 0, 'install kubectl: https://kubernetes.io/docs/tasks/tools/')
})
