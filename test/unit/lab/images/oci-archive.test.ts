import { createHash } from 'node:crypto'
import { createReadStream, readFileSync, utimesSync, writeFileSync } from 'node:fs'

import t from 'tap'
import { extract } from 'tar-stream'

import { parseLdd } from '../../../../src/lab/images/ensure-images.js'
import { type ImagePlan, planImages } from '../../../../src/lab/images/image-plan.js'
import { withParents } from '../../../../src/lab/images/layer-tar.js'
import { writeOciArchive } from '../../../../src/lab/images/oci-archive.js'

const signal = AbortSignal.timeout(10_000)
const sha256 = (bytes: Buffer | string) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** The files of a tar by name, as another reader sees them. */
async function readTar(file: string): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>()
  const reader = createReadStream(file).pipe(extract())
  for await (const entry of reader) {
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    files.set(entry.header.name, Buffer.concat(chunks))
  }
  return files
}

t.test('an archive', async t => {
  const dir = t.testdir({ program: 'bytes of a program' })
  const shared = {
    name: 'shared',
    entries: [
      { type: 'copy', path: 'usr/bin/program', mode: 0o755, from: `${dir}/program` },
      { type: 'symlink', path: 'bin/other', target: '/usr/bin/program' },
      { type: 'directory', path: 'tmp', mode: 0o1777 },
    ],
  } as const
  const extra = { name: 'extra', entries: [{ type: 'text', path: 'etc/hello', mode: 0o644, text: 'hello' }] } as const
  const plans: readonly ImagePlan[] = [
    { name: 'docker.io/example/one:latest', layers: [shared], config: { Cmd: ['program'] } },
    { name: 'docker.io/example/two:v2', layers: [shared, extra], config: {} },
  ]
  await writeOciArchive(plans, `${dir}/first.tar`, signal)

  await t.test('depends on contents only', async t => {
    utimesSync(`${dir}/program`, 1, 1)
    await writeOciArchive(plans, `${dir}/second.tar`, signal)
    t.equal(sha256(readFileSync(`${dir}/second.tar`)), sha256(readFileSync(`${dir}/first.tar`)))
    writeFileSync(`${dir}/program`, 'bytes of a Program')
    await writeOciArchive(plans, `${dir}/third.tar`, signal)
    t.not(sha256(readFileSync(`${dir}/third.tar`)), sha256(readFileSync(`${dir}/first.tar`)))
  })

  await t.test('is an OCI layout whose digests are true and whose shared layer is stored once', async t => {
    const files = await readTar(`${dir}/first.tar`)
    const blob = (digest: string) => files.get(`blobs/${digest.replace(':', '/')}`)!
    for (const [name, bytes] of files) if (name.startsWith('blobs/')) t.equal(sha256(bytes), name.slice(6).replace('/', ':'), name)
    const index = JSON.parse(files.get('index.json')!.toString())
    t.same(
      index.manifests.map((entry: { annotations: Record<string, string> }) => entry.annotations['io.containerd.image.name']),
      plans.map(({ name }) => name),
    )
    const [one, two] = index.manifests.map(({ digest }: { digest: string }) => JSON.parse(blob(digest).toString()))
    t.equal(one.layers[0].digest, two.layers[0].digest)
    t.equal(two.layers.length, 2)
    const config = JSON.parse(blob(one.config.digest).toString())
    t.same(config.rootfs.diff_ids, [one.layers[0].digest])
    t.same(config.config, { Cmd: ['program'] })
    t.equal(files.size, 2 + 2 + 2 + 2, 'layout, index, two manifests, two configurations, two layers')
  })
})

t.test('every folder of a layer has an entry before what is in it', async t => {
  const paths = withParents([
    { type: 'text', path: 'a/b/c', mode: 0o644, text: '' },
    { type: 'directory', path: 'a', mode: 0o700 },
  ])
  t.match(paths, [{ path: 'a', mode: 0o700 }, { path: 'a/b', type: 'directory' }, { path: 'a/b/c' }])
})

t.test('the images share the layers of Node and busybox', async t => {
  const parts = { node: '/usr/bin/node', libraries: ['/lib/libm.so.6'], busybox: '/bin/busybox', applets: ['bin/sh'], distDir: '/dist' }
  const [pause, toolbox, dns] = planImages(parts)
  t.equal(pause?.layers.length, 1)
  t.same(dns?.layers.slice(0, -1), toolbox?.layers)
  t.equal(dns?.layers[0], toolbox?.layers[0], 'the very same object, so that it is written once')
})

t.test('ldd', async t => {
  const text = `	linux-vdso.so.1 (0x00007ffd0b5f2000)
	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f0c69320000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f0c69677000)
`
  t.same(parseLdd(text), ['/lib/x86_64-linux-gnu/libm.so.6', '/lib64/ld-linux-x86-64.so.2'])
  t.same(parseLdd('	not a dynamic executable\n'), [])
})
