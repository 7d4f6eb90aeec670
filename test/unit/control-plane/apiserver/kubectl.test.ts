import t, { type Test } from 'tap'

import { apiRequest } from '../../../support/api-request.js'
import { type TestApiServer, withApiServer } from '../../../support/api-server.js'
import { type BoundKubectl, bindKubectl, findKubectls, type KubectlAnswer } from '../../../support/kubectl.js'

const shop = (replicas: number, greeting: string): string => `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop, labels: { app: web } }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - name: web
          image: podwire/toolbox:1
          env: [{ name: GREETING, value: "${greeting}" }, { name: OTHER, value: kept }]
          ports: [{ containerPort: 8080 }]
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  type: NodePort
  selector: { app: web }
  ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }]
`

/** A kubelet's part: a Pod that is bound and running, so that tables have something to show. */
async function runningPod(api: TestApiServer): Promise<void> {
  const pods = '/api/v1/namespaces/shop/pods'
  const send = (path: string, method: string, body: object) =>
    apiRequest(api, path, {
      method,
      body,
      headers: { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' },
    })
  await send(pods, 'POST', { metadata: { name: 'one' }, spec: { containers: [{ name: 'main', image: 'podwire/toolbox:1' }] } })
  await send(`${pods}/one/binding`, 'POST', { target: { kind: 'Node', name: 'node-1' } })
  const state = { running: { startedAt: '2026-01-01T00:00:00Z' } }
  const containerStatuses = [{ name: 'main', ready: true, restartCount: 0, image: 'podwire/toolbox:1', imageID: 'sha256:0', state }]
  const podIP = '10.244.1.5'
  const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions: [{ type: 'Ready', status: 'True' }], containerStatuses }
  await send(`${pods}/one/status`, 'PATCH', { status })
}

/** Columns are padded with spaces: one is enough to compare. */
const squeezed = ({ stdout }: KubectlAnswer): string => stdout.replace(/ +/g, ' ').replace(/ $/gm, '')

async function drive(t: Test, api: TestApiServer, kubectl: BoundKubectl, version: string): Promise<void> {
  const minor = Number(version.split('.')[1])
  const ok = async (args: string, input?: string): Promise<KubectlAnswer> => {
    const answer = await kubectl.run(args.split(' '), input)
    t.equal(answer.code, 0, `kubectl ${args}: ${answer.stderr}`)
    return answer
  }
  const refused = async (args: string, input?: string): Promise<string> => {
    const answer = await kubectl.run(args.split(' '), input)
    t.not(answer.code, 0, `kubectl ${args} fails`)
    return answer.stderr
  }

  // apply
  t.equal((await ok('apply -f -', shop(2, 'a'))).stdout, 'namespace/shop created\ndeployment.apps/web created\nservice/web created\n')
  t.equal((await ok('apply -f -', shop(2, 'a'))).stdout, 'namespace/shop unchanged\ndeployment.apps/web unchanged\nservice/web unchanged\n')
  t.match((await ok('apply -f -', shop(3, 'b'))).stdout, 'deployment.apps/web configured')
  const env = '{.spec.replicas} {.spec.template.spec.containers[0].env[*].value}'
  t.equal((await kubectl.run(['-n', 'shop', 'get', 'deploy', 'web', '-o', `jsonpath=${env}`])).stdout, '3 b kept')
  t.match((await ok('apply --dry-run=server -f -', shop(5, 'b'))).stdout, 'deployment.apps/web configured (server dry run)')

  // get, in every form
  await runningPod(api)
  t.match(squeezed(await ok('get namespaces')), /^NAME STATUS AGE\ndefault Active \S+\n/)
  t.match(squeezed(await ok('-n shop get pods')), /^NAME READY STATUS RESTARTS AGE\none 1\/1 Running 0 \d+s\n$/)
  t.match(
    squeezed(await ok('-n shop get pods -o wide')),
    /^NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES\none 1\/1 Running 0 \d+s 10\.244\.1\.5 node-1 <none> <none>\n$/,
  )
  t.match(squeezed(await ok('-n shop get deploy')), /^NAME READY UP-TO-DATE AVAILABLE AGE\nweb 0\/3 0 0 \d+s\n$/)
  t.match(
    squeezed(await ok('-n shop get svc')),
    /^NAME TYPE CLUSTER-IP EXTERNAL-IP PORT\(S\) AGE\nweb NodePort 10\.96\.\S+ <none> 80:30080\/TCP \d+s\n$/,
  )
  t.equal((await ok('-n shop get deploy,svc,pods -o name')).stdout, 'deployment.apps/web\nservice/web\npod/one\n')
  t.match(JSON.parse((await ok('-n shop get pod one -o json')).stdout), { kind: 'Pod', spec: { nodeName: 'node-1' } })
  t.match((await ok('-n shop get pod one -o yaml')).stdout, /^apiVersion: v1\nkind: Pod\n/)
  t.match(JSON.parse((await ok('-n shop get pods -o json')).stdout), { kind: 'List', items: [{ metadata: { name: 'one' } }] })
  t.match(
    squeezed(await ok('get services --all-namespaces')),
    /^NAMESPACE NAME TYPE .*\ndefault kubernetes ClusterIP 10\.96\.0\.1 <none> 443\/TCP \S+\nshop web /s,
  )
  t.match(squeezed(await ok('-n shop get pods --show-labels')), /AGE LABELS\none .* <none>\n$/s)
  t.match(squeezed(await ok('-n shop get all')), /pod\/one .*service\/web .*deployment\.apps\/web /s)
  t.equal((await ok('-n shop get pods --field-selector spec.nodeName=node-1 -o name')).stdout, 'pod/one\n')
  t.equal((await ok('-n shop get pods -l app=none -o name')).stdout, '')
  t.match(await refused('-n shop get pod none'), 'Error from server (NotFound): pods "none" not found')

  // describe
  t.match((await ok('-n shop describe deploy web')).stdout, /Replicas:\s+3 desired/)
  t.match((await ok('-n shop describe pod one')).stdout, /Node:\s+node-1\/?\n[\s\S]*Status:\s+Running[\s\S]*QoS Class:\s+BestEffort/)
  t.match((await ok('-n shop describe service web')).stdout, /NodePort:\s+<unset>\s+30080\/TCP/)
  await ok('describe namespace shop')

  // create
  t.equal((await ok('-n shop create deployment d --image=i:1 --replicas=0')).stdout, 'deployment.apps/d created\n')
  t.equal((await ok('-n shop get deploy d -o jsonpath={.spec.replicas}')).stdout, '0', 'a zero that was set stays')
  await ok('-n shop create configmap c --from-literal=k=v')
  t.equal((await ok('-n shop get configmap c -o jsonpath={.data.k}')).stdout, 'v')
  await ok('-n shop create secret generic s --from-literal=k=v')
  t.equal((await ok('-n shop get secret s -o jsonpath={.data.k}')).stdout, 'dg==')
  await ok('-n shop create service clusterip ci --tcp=80:8080')
  t.equal((await ok('-n shop get svc ci -o jsonpath={.spec.ports[0].targetPort}')).stdout, '8080')
  await ok('-n shop create serviceaccount app')
  // `create token` came with 1.24.
  if (minor >= 24) t.match((await ok('-n shop create token app')).stdout, /^ey[\w-]+\.[\w-]+\.[\w-]+\n?$/)
  await ok('create namespace other')
  t.match(await refused('create namespace other'), 'namespaces "other" already exists')
  await ok('-n shop run two --image=i:1 --port=80 --env=A=b')
  await ok('-n shop expose pod two --port=80')

  // change
  t.match((await ok('-n shop scale deploy web --replicas=5')).stdout, 'deployment.apps/web scaled')
  await ok('-n shop scale deploy web --replicas=4 --current-replicas=5')
  t.equal((await ok('-n shop get deploy web -o jsonpath={.spec.replicas}')).stdout, '4')
  await ok('-n shop label deploy web tier=front')
  await ok('-n shop label deploy web app-')
  await ok('-n shop annotate deploy web note=x')
  t.match(JSON.parse((await ok('-n shop get deploy web -o json')).stdout).metadata, {
    labels: { tier: 'front' },
    annotations: { note: 'x' },
  })
  await ok('-n shop set image deploy/web web=podwire/toolbox:2')
  await ok('-n shop patch deploy web -p {"spec":{"replicas":7}}')
  await ok('-n shop patch deploy web --type=merge -p {"spec":{"replicas":8}}')
  await ok('-n shop patch deploy web --type=json -p [{"op":"replace","path":"/spec/replicas","value":9}]')
  t.equal((await ok('-n shop get deploy web -o jsonpath={.spec.replicas}')).stdout, '9')
  await ok('-n shop rollout pause deploy web')

  // what is wrong is said
  const badPod = 'apiVersion: v1\nkind: Pod\nmetadata: {name: Bad_, namespace: shop}\nspec: {containers: [{name: a, imag: b}]}\n'
  // Older ones validate by themselves, against the OpenAPI document.
  t.match(
    await refused('create -f -', badPod),
    minor >= 27 ? 'strict decoding error: unknown field "spec.containers[0].imag"' : 'unknown field "imag"',
  )
  const invalid = await refused('create --validate=false -f -', badPod)
  t.match(invalid, '* metadata.name: Invalid value: "Bad_"')
  t.match(invalid, '* spec.containers[0].image: Required value')

  // what the API is
  t.match(squeezed(await ok('api-resources')), /deployments deploy apps\/v1 true Deployment/)
  t.match((await ok('api-versions')).stdout, /apps\/v1\n/)
  t.match((await ok('explain deployment.spec.strategy.rollingUpdate')).stdout, /maxSurge\s+<(IntOrString|string)>/)
  t.match((await ok('explain pods --recursive')).stdout, /terminationGracePeriodSeconds\s+<integer>/)
  t.match((await ok('version -o json')).stdout, /"gitVersion": "v1\.36\.2\+podwire"/)

  // watch
  const watch = kubectl.start('-n shop get pods -w'.split(' '))
  const lines: string[] = []
  for await (const line of watch.lines) {
    lines.push(line.replace(/ +/g, ' '))
    if (lines.length === 3) await ok('-n shop label pod one seen=yes')
    if (lines.length === 4) await ok('-n shop delete pod two')
    if (lines.length === 5) watch.stop()
  }
  t.match(lines, [/^NAME READY/, /^one 1\/1 Running/, /^two 0\/1 Pending/, /^one 1\/1 Running/, /^two 0\/1 (Pending|Terminating)/])

  // delete
  t.match((await ok('-n shop delete pod one --grace-period=0 --force')).stdout, 'pod "one" force deleted')
  await ok('-n shop delete deploy,svc,cm --all')
  t.equal((await ok('-n shop get deploy,svc -o name')).stdout, '')
  t.match(await refused('-n shop delete deploy web'), 'deployments.apps "web" not found')
  await ok('delete namespace other --wait=false')
  t.match(squeezed(await ok('get namespace other')), /other Terminating/)
}

const all = await findKubectls()
t.not(all.length, 0, 'there is a kubectl on the PATH')
// The oldest reads OpenAPI 2 in protobuf, the newest writes protobuf bodies; PODWIRE_EVERY_KUBECTL tries those between too.
const tried = process.env.PODWIRE_EVERY_KUBECTL
  ? all
  : [all[0], all.at(-1)].filter((kubectl, i, both) => kubectl && both.indexOf(kubectl) === i)
for (const kubectl of tried) {
  if (!kubectl) continue
  t.test(`kubectl ${kubectl.version}`, t =>
    withApiServer(t, async api => {
      const bound = bindKubectl(kubectl, api.kubeconfig)
      await drive(t, api, bound, kubectl.version).finally(() => bound.dispose())
    }),
  )
}
