import t from 'tap'

import type { ContainerStatus, Event, Node, Pod, Service } from '../../../../src/api/generated/types.js'
import { resourceTable } from '../../../../src/api/resource-table.js'
import type { KubeObject, TableColumn } from '../../../../src/api/resource-type.js'
import { eventColumns, nodeColumns } from '../../../../src/api/table-columns/cluster.js'
import { podColumns } from '../../../../src/api/table-columns/pods.js'
import { serviceColumns } from '../../../../src/api/table-columns/services.js'

const now = Date.parse('2026-01-01T01:00:00Z')

/** The cells that are always shown, by the names of their columns. */
const cells = <T extends KubeObject>(columns: readonly TableColumn<T>[], object: T): Record<string, unknown> =>
  Object.fromEntries(columns.map(column => [column.name, column.cell(object, now)]))

const container = (state: ContainerStatus['state'], rest: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name: 'main',
  image: 'i',
  imageID: '',
  ready: state?.running !== undefined,
  restartCount: 0,
  ...(state && { state }),
  ...rest,
})
const running = { running: { startedAt: '2026-01-01T00:00:00Z' } }
const pod = (status: Pod['status'], metadata: Pod['metadata'] = {}): Pod => ({
  metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z', ...metadata },
  spec: { containers: [{ name: 'main' }] },
  ...(status && { status }),
})

t.test('pods: READY, STATUS and RESTARTS', async t => {
  const ended = (exitCode: number, reason?: string) => ({ terminated: { exitCode, ...(reason && { reason }) } })
  const deletionTimestamp = '2026-01-01T00:30:00Z'
  const rows: Record<string, [pod: Pod, ready: string, status: string, restarts?: string]> = {
    'nothing known': [pod({ phase: 'Pending' }), '0/1', 'Pending'],
    'being made': [
      pod({ phase: 'Pending', containerStatuses: [container({ waiting: { reason: 'ContainerCreating' } })] }),
      '0/1',
      'ContainerCreating',
    ],
    running: [pod({ phase: 'Running', containerStatuses: [container(running)] }), '1/1', 'Running'],
    'running, not ready': [pod({ phase: 'Running', containerStatuses: [container(running, { ready: false })] }), '0/1', 'Running'],
    crashing: [
      pod({
        phase: 'Running',
        containerStatuses: [
          container(
            { waiting: { reason: 'CrashLoopBackOff' } },
            { restartCount: 3, lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:55:00Z' } } },
          ),
        ],
      }),
      '0/1',
      'CrashLoopBackOff',
      '3 (5m ago)',
    ],
    failed: [pod({ phase: 'Failed', containerStatuses: [container(ended(2, 'Error'))] }), '0/1', 'Error'],
    'failed without a reason': [pod({ phase: 'Failed', containerStatuses: [container(ended(2))] }), '0/1', 'ExitCode:2'],
    completed: [pod({ phase: 'Succeeded', containerStatuses: [container(ended(0, 'Completed'))] }), '0/1', 'Completed'],
    evicted: [pod({ phase: 'Failed', reason: 'Evicted' }), '0/1', 'Evicted'],
    going: [pod({ phase: 'Running', containerStatuses: [container(running)] }, { deletionTimestamp }), '1/1', 'Terminating'],
    initialising: [pod({ phase: 'Pending', initContainerStatuses: [container(ended(0)), container(running)] }), '0/1', 'Init:1/2'],
    'init failed': [pod({ phase: 'Pending', initContainerStatuses: [container(ended(1, 'Error'))] }), '0/1', 'Init:Error'],
  }
  for (const [name, [object, ready, status, restarts = '0']] of Object.entries(rows)) {
    t.match(cells(podColumns, object), { Ready: ready, Status: status, Restarts: restarts, Age: '60m' }, name)
  }
})

t.test('services: addresses and ports', async t => {
  const service = (spec: Service['spec'], status: Service['status'] = {}): Service => ({ metadata: { name: 's' }, spec: spec!, status })
  const port = { port: 80, protocol: 'TCP' }
  t.match(cells(serviceColumns, service({ type: 'ClusterIP', clusterIP: '10.96.0.5', ports: [port] })), {
    Type: 'ClusterIP',
    'Cluster-IP': '10.96.0.5',
    'External-IP': '<none>',
    'Port(s)': '80/TCP',
  })
  t.match(
    cells(
      serviceColumns,
      service({
        type: 'NodePort',
        ports: [
          { ...port, nodePort: 30080 },
          { port: 53, protocol: 'UDP' },
        ],
      }),
    ),
    {
      'Port(s)': '80:30080/TCP,53/UDP',
    },
  )
  t.match(cells(serviceColumns, service({ type: 'LoadBalancer' })), { 'External-IP': '<pending>', 'Port(s)': '<none>' })
  t.match(cells(serviceColumns, service({ type: 'LoadBalancer' }, { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } })), {
    'External-IP': '192.0.2.1',
  })
  t.match(cells(serviceColumns, service({ type: 'ExternalName', externalName: 'example.com' })), {
    'Cluster-IP': '<none>',
    'External-IP': 'example.com',
  })
})

t.test('nodes and events', async t => {
  const node: Node = {
    metadata: { name: 'n', labels: { 'node-role.kubernetes.io/worker': '' } },
    spec: { unschedulable: true },
    status: { conditions: [{ type: 'Ready', status: 'True' }], addresses: [{ type: 'InternalIP', address: '172.30.0.11' }] },
  }
  t.match(cells(nodeColumns, node), {
    Status: 'Ready,SchedulingDisabled',
    Roles: 'worker',
    'Internal-IP': '172.30.0.11',
    'OS-Image': '<unknown>',
  })
  t.match(cells(nodeColumns, { metadata: {} }), { Status: 'Unknown', Roles: '<none>' })
  const event: Event = {
    metadata: {},
    involvedObject: { kind: 'Pod', name: 'a' },
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:59:30Z',
    count: 4,
    message: 'said\n',
  }
  t.match(cells(eventColumns, event), { 'Last Seen': '30s', Object: 'pod/a', Message: 'said', Count: 4, 'First Seen': '60m' })
})

t.test('every resource has columns that bear an empty object', async t => {
  for (const { resource, columns } of resourceTable) {
    t.ok(columns.length > 0, resource)
    const bare = { metadata: { name: 'x' }, involvedObject: {}, addressType: 'IPv4', endpoints: [] } as KubeObject
    for (const column of columns) t.not(column.cell(bare, now), undefined, `${resource} ${column.name}`)
  }
})
