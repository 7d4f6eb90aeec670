import type { ApiResource } from '../api/api-resource.js'
import { isPodwireError } from '../base/errors/podwire-error.js'
import type { FlowRecord, MatrixRecord, RunRecord } from '../base/results/run-record.js'
import type { ApiObject, Client } from '../client/client.js'
import type { FlowTest } from './flow-test-schema.js'
import { matricesOf } from './matrix/matrix-records.js'
import type { ReachabilityMatrix } from './matrix/matrix-schema.js'
import type { FlowDocument } from './parse-flow-file.js'

/** A FlowTest as the cluster keeps it, with what was seen last. */
interface KeptFlowTest extends ApiObject {
  readonly spec?: object
  readonly status?: object
}

const flowTests: ApiResource<KeptFlowTest> = {
  group: 'podwire.dev',
  version: 'v1alpha1',
  resource: 'flowtests',
  kind: 'FlowTest',
  namespaced: true,
  typePath: 'dev.podwire.v1alpha1.FlowTest',
}

const matrices: ApiResource<KeptFlowTest> = {
  ...flowTests,
  resource: 'reachabilitymatrices',
  kind: 'ReachabilityMatrix',
  typePath: 'dev.podwire.v1alpha1.ReachabilityMatrix',
}

const namespace = 'default'
const fieldManager = 'podwire'

/**
 * Writes the tests of a run into the cluster, each with its last observations, so that `kubectl get flowtests` shows them. Does nothing in a
 * cluster that does not know the kind. Errors: the client's own.
 */
export async function keepFlowTests(
  client: Client,
  documents: readonly FlowDocument[],
  run: RunRecord,
  signal: AbortSignal,
): Promise<void> {
  const records = new Map(run.flows.map(flow => [flow.name, flow]))
  const kept = [
    ...documents.flatMap(({ cell, test }) =>
      cell === undefined ? [{ resource: flowTests, test, seen: seenOfFlow(records.get(test.metadata.name)) }] : [],
    ),
    ...matricesOf(documents).map(test => ({
      resource: matrices,
      test,
      seen: seenOfMatrix((run.matrices ?? []).find(({ name }) => name === test.metadata.name)),
    })),
  ]
  try {
    await Promise.all(kept.map(each => keep(client, each, run.startedAt, signal)))
  } catch (error) {
    if (!isPodwireError(error, 'NOT_FOUND')) throw error
  }
}

interface Kept {
  readonly resource: ApiResource<KeptFlowTest>
  readonly test: FlowTest | ReachabilityMatrix
  /** Its status; undefined when it did not run. */
  readonly seen: object | undefined
}

const seenOfFlow = (record: FlowRecord | undefined): object | undefined =>
  record && { verdict: record.verdict, message: record.reason ?? record.outcome, findings: record.findings }

function seenOfMatrix(record: MatrixRecord | undefined): object | undefined {
  if (record === undefined) return undefined
  const { rows, columns, cells } = record
  const wrong = cells.filter(({ verdict }) => verdict !== 'pass')
  const verdict = (['fail', 'error', 'skip', 'warn'] as const).find(each => wrong.some(cell => cell.verdict === each)) ?? 'pass'
  const seenAt = (row: number, column: number) => cells.find(cell => cell.row === row && cell.column === column)?.seen ?? '#'
  return {
    verdict,
    message:
      wrong.length === 0 ? `all ${cells.length} cells are as expected` : `${wrong.length} of ${cells.length} cells are not as expected`,
    seen: Object.fromEntries(rows.map((row, i) => [row, columns.map((_, j) => seenAt(i, j)).join(' ')])),
  }
}

async function keep(client: Client, { resource, test, seen }: Kept, startedAt: string, signal: AbortSignal): Promise<void> {
  const key = { namespace, name: test.metadata.name }
  const object = { ...test, metadata: { ...test.metadata, namespace } } as unknown as KeptFlowTest
  const stored = await client.patch(resource, key, object, { type: 'apply', fieldManager, force: true }, signal)
  if (seen === undefined) return
  const { generation } = stored.metadata ?? {}
  const status = { ...seen, startedAt, ...(generation !== undefined && { observedGeneration: generation }) }
  const observed = { apiVersion: test.apiVersion, kind: test.kind, metadata: key, status } as unknown as KeptFlowTest
  await client.patch(
    resource,
    key,
    observed,
    { type: 'apply', subresource: 'status', fieldManager: `${fieldManager}-status`, force: true },
    signal,
  )
}
