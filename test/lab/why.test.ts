/** `verify` finds a whole lab as its objects say; every lesson breaks it in another way, `why` names the damage, and mended it is whole again. */
import { join } from 'node:path'
import t from 'tap'

import type { CauseRecord } from '../../src/base/results/run-record.js'
import { createClient } from '../../src/client/http-client.js'
import { loadKubeconfig } from '../../src/client/kubeconfig.js'
import { withFlowSession } from '../../src/flow/flow-session.js'
import { openClassroom } from '../../src/flow/lesson/classroom.js'
import { readLessons } from '../../src/flow/lesson/read-lessons.js'
import { findLab } from '../../src/lab/find.js'
import { modesOfLab } from '../../src/lab/lab-modes.js'
import { workplace } from '../support/podwire-command.js'
import { until } from '../support/until.js'

/** An answer that comes at all comes sooner; what is lost need not be waited for longer. */
const timeoutMs = 500

t.test('why', async t => {
  const { dir, lab: name, podwire } = workplace(t)
  const up = await podwire('up')
  t.equal(up.status, 0, up.stderr)
  const lab = (await findLab(name))!
  const client = createClient(loadKubeconfig(lab.kubeconfig))
  t.teardown(() => client.close())
  const { signal } = new AbortController()
  const modes = await modesOfLab(lab.spec, client, signal)

  await withFlowSession({ client, hosts: lab.hosts, lab: { name, substrate: 'netns', ...modes } }, signal, async session => {
    for (const lesson of await readLessons('lessons')) {
      const { metadata, spec } = lesson.lesson
      await t.test(metadata.name, async t => {
        const room = await openClassroom(session, { lesson, outDir: dir, timeoutMs })
        try {
          await room.break(signal)
          let causes: readonly CauseRecord[] = []
          const look = async () => {
            causes = (await room.check()).causes ?? []
            return causes[0]?.code === spec.cause
          }
          await until(`why names ${spec.cause}`, look, 20_000).catch((error: unknown) => t.comment(String(error)))
          t.equal(causes[0]?.code, spec.cause, causes[0]?.message ?? 'nothing was found')
          t.not(causes[0]?.evidence.length ?? 0, 0, 'it shows by what')
        } finally {
          await room.mend(signal)
        }
        await until(`${metadata.name} is mended`, async () => (await room.check()).causes?.length === 0)
      })
    }
  })

  const verified = await podwire('verify', '-n', 'classroom', '--out', join(dir, 'verify'))
  t.equal(verified.status, 0, `${verified.stdout}${verified.stderr}`)
  t.match(verified.stdout, /\npairs: \d\d as predicted, 0 not, in /)
  const traced = await podwire('trace', '-n', 'classroom', 'pod/client', 'svc/far', '--out', join(dir, 'trace'))
  t.equal(traced.status, 0, traced.stderr)
  for (const part of [
    /rule: ip nat PREROUTING → KUBE-SERVICES → KUBE-SVC-\w+ → KUBE-SEP-\w+: .*dnat to 10\.244\.2\./,
    /Service classroom\/far, port http, EndpointSlice far-/,
    /route: 10\.244\.2\.0\/24 via 10\.244\.2\.0 dev vxlan0 \(Node node-2\)/,
    /fdb: \S+ dst 172\.30\.0\.12 /,
    /conntrack: .*: undoes the translation/,
  ]) {
    t.match(traced.stdout, part)
  }
  const refused = await podwire('why', '-n', 'classroom', 'client', 'svc/far')
  t.equal(refused.status, 2)
  t.match(refused.stderr, /^CONFIG_INVALID client names nothing that packets go from or to/)
})
