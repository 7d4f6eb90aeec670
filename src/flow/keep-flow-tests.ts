import type { ApiResource } from '../api/api-resource.js'
import { isPodwireError } from '../base/errors/podwire-error.js'
import type { FlowRecord, RunRecord } from '../base/results/run-record.js'
import type { ApiObject, Client } from '../client/client.js'
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
  try {
    await Promise.all(documents.map(document => keep(client, document, { record: records.get(document.test.metadata.name), run }, signal)))
  } catch (error) {
    if (!isPodwireError(error, 'NOT_FOUND')) throw error
  }
}

async function keep(
  client: Client,
  { test }: FlowDocument,
  { record, run }: { readonly record: FlowRecord | undefined; readonly run: RunRecord },
  signal: AbortSignal,
): Promise<void> {
  const key = { namespace, name: test.metadata.name }
  const object = { ...test, metadata: { ...test.metadata, namespace } } as unknown as KeptFlowTest
  const stored = await client.patch(flowTests, key, object, { type: 'apply', fieldManager, force: true }, signal)
  if (record === undefined) return
  const status = {
    verdict: record.verdict,
    message: record.reason ?? record.outcome,
    startedAt: run.startedAt,
    ...(stored.metadata?.generation !== undefined && { observedGeneration: stored.metadata.generation }),
    findings: record.findings,
  }
  const seen = { apiVersion: test.apiVersion, kind: test.kind, metadata: key, status } as unknown as KeptFlowTest
  await client.patch(
    flowTests,
    key,
    seen,
    { type: 'apply', subresource: 'status', fieldManager: `${fieldManager}-status`, force: true },
    signal,
  )
}
