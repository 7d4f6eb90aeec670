import t from 'tap'

import type { FieldProblem } from '../../../../src/api/field-problem.js'
import type { Container, Deployment, EndpointSlice, Pod, PodSpec, Service } from '../../../../src/api/generated/types.js'
import type { Draft } from '../../../../src/api/json.js'
import type { KubeObject, Strategy } from '../../../../src/api/resource-type.js'
import { leaseStrategy, nodeStrategy } from '../../../../src/api/strategies/cluster.js'
import { configMapStrategy, secretStrategy } from '../../../../src/api/strategies/config.js'
import { endpointSliceStrategy } from '../../../../src/api/strategies/endpoints.js'
import { podStrategy } from '../../../../src/api/strategies/pods.js'
import { serviceStrategy } from '../../../../src/api/strategies/services.js'
import { deploymentStrategy } from '../../../../src/api/strategies/workloads.js'

/** The object as a writer's create request would leave it. */
function filled<T extends KubeObject>(strategy: Strategy<T>, object: T): T {
  const draft = structuredClone(object) as Draft<T>
  strategy.setDefaults(draft)
  return draft as T
}
const texts = (problems: readonly FieldProblem[]): string[] => problems.map(({ field, message }) => `${field}: ${message}`)
const problemsOf = <T extends KubeObject>(strategy: Strategy<T>, object: T): string[] => texts(strategy.validate(filled(strategy, object)))

const pod = (container: Partial<Container> = {}, spec: Partial<PodSpec> = {}): Pod => ({
  spec: { containers: [{ name: 'main', image: 'image:1', ...container }], ...spec },
})
const deployment = (spec: object = {}, template: object = {}): Deployment => ({
  spec: {
    selector: { matchLabels: { app: 'a' } },
    template: { metadata: { labels: { app: 'a' } }, spec: pod().spec!, ...template },
    ...spec,
  },
})
const service = (spec: object): Service => ({ spec: { ports: [{ port: 80 }], ...spec } })

t.test('defaults of a Pod', async t => {
  const probe = { httpGet: { port: 80 } }
  const { spec } = filled(
    podStrategy,
    pod({ ports: [{ containerPort: 80 }], readinessProbe: probe, resources: { limits: { cpu: '1' } } }, { volumes: [{ name: 'v' }] }),
  )
  t.match(spec, {
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    terminationGracePeriodSeconds: 30,
    enableServiceLinks: true,
    securityContext: {},
    volumes: [{ emptyDir: {} }],
    containers: [
      {
        imagePullPolicy: 'IfNotPresent',
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
        ports: [{ protocol: 'TCP' }],
        resources: { requests: { cpu: '1' } },
        readinessProbe: {
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
          httpGet: { path: '/', scheme: 'HTTP' },
        },
      },
    ],
  })
  for (const [image, policy] of [
    ['a', 'Always'],
    ['a:latest', 'Always'],
    ['host:5000/a', 'Always'],
    ['a:1', 'IfNotPresent'],
    ['a@sha256:0', 'IfNotPresent'],
  ] as const) {
    t.equal(filled(podStrategy, pod({ image })).spec?.containers[0]?.imagePullPolicy, policy, image)
  }
})

t.test('quality of service', async t => {
  const both = { cpu: '1', memory: '1Gi' }
  const rows: [resources: object, quality: string][] = [
    [{}, 'BestEffort'],
    [{ requests: { cpu: '1' } }, 'Burstable'],
    [{ limits: both }, 'Guaranteed'],
    [{ limits: both, requests: { cpu: '500m' } }, 'Burstable'],
    [{ limits: { cpu: '1' } }, 'Burstable'],
  ]
  for (const [resources, qosClass] of rows) {
    const draft = filled(podStrategy, pod({ resources })) as Draft<Pod>
    podStrategy.prepareCreate(draft)
    t.match(draft.status, { phase: 'Pending', qosClass }, JSON.stringify(resources))
    t.equal(draft.spec?.serviceAccountName, 'default')
  }
})

t.test('what is wrong with a Pod, all at once', async t => {
  t.strictSame(problemsOf(podStrategy, pod()), [])
  const bad = pod(
    {
      name: 'Main',
      image: '',
      env: [{ name: '1a' }, { name: 'B', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
      ports: [
        { name: 'http', containerPort: 0 },
        { name: 'http', containerPort: 80, protocol: 'tcp' },
      ],
      volumeMounts: [
        { name: 'gone', mountPath: '/a' },
        { name: 'gone', mountPath: '/a' },
      ],
      livenessProbe: { successThreshold: 2, exec: { command: [] }, tcpSocket: { port: 70000 } },
    },
    { restartPolicy: 'Sometimes', terminationGracePeriodSeconds: -1, volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/' } }] },
  )
  const fields = problemsOf(podStrategy, bad).map(text => text.split(': ').slice(0, 2).join(': '))
  for (const expected of [
    'spec.volumes[0].hostPath: Forbidden',
    'spec.containers[0].name: Invalid value',
    'spec.containers[0].image: Required value',
    'spec.containers[0].ports[0].containerPort: Required value',
    'spec.containers[0].ports[1].protocol: Unsupported value',
    'spec.containers[0].ports[1].name: Duplicate value',
    'spec.containers[0].env[0].name: Invalid value',
    'spec.containers[0].env[1].valueFrom: Invalid value',
    'spec.containers[0].volumeMounts[0].name: Not found',
    'spec.containers[0].volumeMounts[1].mountPath: Invalid value',
    'spec.containers[0].livenessProbe: Forbidden',
    'spec.containers[0].livenessProbe.exec.command: Required value',
    'spec.containers[0].livenessProbe.tcpSocket.port: Invalid value',
    'spec.containers[0].livenessProbe.successThreshold: Invalid value',
    'spec.restartPolicy: Unsupported value',
    'spec.terminationGracePeriodSeconds: Invalid value',
  ]) {
    t.ok(fields.includes(expected), expected)
  }
  t.strictSame(problemsOf(podStrategy, { spec: { containers: [] } }), ['spec.containers: Required value'])
  t.equal(
    problemsOf(podStrategy, pod({ name: 'a' }, { initContainers: [{ name: 'a', image: 'i' }] }))[0],
    'spec.initContainers[0].name: Duplicate value: "a"',
  )
})

t.test('what of a Pod may change', async t => {
  const before = filled(podStrategy, pod())
  const change = (spec: Partial<PodSpec>): string[] =>
    texts(podStrategy.validateUpdate({ ...before, spec: { ...before.spec!, ...spec } }, before))
  t.strictSame(change({}), [])
  t.strictSame(change({ containers: [{ ...before.spec!.containers[0]!, image: 'image:2' }] }), [])
  t.strictSame(change({ tolerations: [{ operator: 'Exists' }] }), [])
  t.match(change({ hostNetwork: true }), [/^spec: Forbidden: pod updates may not change fields other than/])
  t.match(change({ nodeName: 'other' }), [/^spec: Forbidden/])
})

t.test('Deployments', async t => {
  t.match(filled(deploymentStrategy, deployment()).spec, {
    replicas: 1,
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
  })
  t.strictSame(problemsOf(deploymentStrategy, deployment()), [])
  t.match(problemsOf(deploymentStrategy, deployment({ replicas: -1 })), [
    'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
  ])
  t.match(problemsOf(deploymentStrategy, deployment({ selector: undefined })), ['spec.selector: Required value'])
  t.match(problemsOf(deploymentStrategy, deployment({ selector: {} })), [/empty selector is invalid for deployment/])
  t.match(problemsOf(deploymentStrategy, deployment({}, { metadata: { labels: { app: 'b' } } })), [
    /`selector` does not match template `labels`/,
  ])
  const zero = { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }
  t.match(problemsOf(deploymentStrategy, deployment(zero)), [/may not be 0 when `maxSurge` is 0/])
  t.match(problemsOf(deploymentStrategy, deployment({ strategy: { type: 'Recreate', rollingUpdate: {} } })), [
    /spec.strategy.rollingUpdate: Forbidden/,
  ])
  const job = { spec: { ...pod().spec, restartPolicy: 'Never' } }
  t.match(problemsOf(deploymentStrategy, deployment({}, job)), [
    /spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"/,
  ])
})

t.test('Services', async t => {
  t.match(filled(serviceStrategy, service({})).spec, {
    type: 'ClusterIP',
    ports: [{ protocol: 'TCP', targetPort: 80 }],
    internalTrafficPolicy: 'Cluster',
  })
  t.match(filled(serviceStrategy, service({ sessionAffinity: 'ClientIP' })).spec, {
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
  })
  const rows: [spec: object, problem: RegExp][] = [
    [{ ports: [] }, /spec.ports: Required value/],
    [{ ports: [{ port: 80 }, { port: 81 }] }, /spec.ports\[0\].name: Required value/],
    [
      {
        ports: [
          { name: 'a', port: 80 },
          { name: 'a', port: 81 },
        ],
      },
      /spec.ports\[1\].name: Duplicate value: "a"/,
    ],
    [
      {
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 80 },
        ],
      },
      /spec.ports\[1\]: Duplicate value/,
    ],
    [{ ports: [{ port: 0 }] }, /spec.ports\[0\].port: Invalid value: 0: must be between 1 and 65535, inclusive/],
    [{ type: 'Ingress' }, /spec.type: Unsupported value: "Ingress"/],
    [{ type: 'NodePort', clusterIP: 'None' }, /may not be set to 'None' for NodePort services/],
    [{ type: 'ExternalName' }, /spec.externalName: Required value/],
    [{ externalTrafficPolicy: 'Local' }, /may only be set for externally-accessible services/],
    [{ clusterIP: 'nine' }, /spec.clusterIPs\[0\]: Invalid value: "nine": must be a valid IP address/],
  ]
  for (const [spec, problem] of rows) t.match(problemsOf(serviceStrategy, service(spec)), [problem], String(problem))
})

t.test('ConfigMaps and Secrets', async t => {
  t.match(problemsOf(configMapStrategy, { data: { 'a/b': '' } }), [/data\[a\/b\]: Invalid value: "a\/b": a valid config key must consist/])
  t.match(problemsOf(configMapStrategy, { data: { a: '' }, binaryData: { a: '' } }), ['data[a]: Duplicate value: "a"'])
  t.match(problemsOf(configMapStrategy, { data: { a: 'x'.repeat(1024 * 1024 + 1) } }), [/Too long/])
  t.match(texts(configMapStrategy.validateUpdate({ data: { a: '2' }, immutable: true }, { data: { a: '1' }, immutable: true })), [
    /data: Forbidden: field is immutable/,
  ])
  t.strictSame(filled(secretStrategy, { stringData: { a: 'b' } }), { type: 'Opaque', data: { a: 'Yg==' } })
  t.match(texts(secretStrategy.validateUpdate({ type: 'b' }, { type: 'a' })), ['type: Invalid value: "b": field is immutable'])
})

t.test('EndpointSlices, Leases, Nodes', async t => {
  const slice = (rest: Partial<EndpointSlice>): EndpointSlice => ({ addressType: 'IPv4', endpoints: [], ...rest })
  t.strictSame(problemsOf(endpointSliceStrategy, slice({ endpoints: [{ addresses: ['10.244.1.5'] }], ports: [{ port: 80 }] })), [])
  t.match(problemsOf(endpointSliceStrategy, slice({ endpoints: [{ addresses: ['here'] }] })), [/endpoints\[0\].addresses\[0\]/])
  t.match(problemsOf(endpointSliceStrategy, slice({ endpoints: [{ addresses: [] }] })), [/must contain at least 1 address/])
  t.match(problemsOf(endpointSliceStrategy, slice({ addressType: 'IPX' })), [/addressType: Unsupported value: "IPX"/])
  t.match(problemsOf(leaseStrategy, { spec: { leaseDurationSeconds: 0 } }), [
    'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
  ])
  t.match(problemsOf(nodeStrategy, { spec: { taints: [{ key: 'a', effect: 'Never' }] } }), [
    /metadata.taints\[0\].effect: Unsupported value/,
  ])
  t.match(texts(nodeStrategy.validateUpdate({ spec: { podCIDR: '10.244.2.0/24' } }, { spec: { podCIDR: '10.244.1.0/24' } })), [
    /spec.podCIDRs: Forbidden/,
  ])
})
