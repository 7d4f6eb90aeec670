import { lstat, readdir, readFile } from 'node:fs/promises'

import t from 'tap'

import { pods } from '../../src/api/generated/resources.js'
import { packageRoot } from '../../src/kernel/built-program.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { ensureContainerdTemplate } from '../../src/lab/images/containerd-template.js'
import { ensureImages } from '../../src/lab/images/ensure-images.js'
import { importImage } from '../../src/lab/images/import-image.js'
import { writeOciArchive } from '../../src/lab/images/oci-archive.js'
import { cacheDir } from '../../src/lab/lab-paths.js'
import { withKubeletNode } from '../support/kubelet-node.js'
import { until } from '../support/until.js'

/** Everything that could show a change: names, kinds, sizes, times of change, and the databases byte by byte. */
async function fingerprint(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const lines = entries.map(async entry => {
    const path = `${entry.parentPath}/${entry.name}`
    const { mode, size, mtimeMs, uid, gid } = await lstat(path)
    const content = entry.name.endsWith('.db') ? (await readFile(path)).toString('base64') : ''
    return [path, mode, size, mtimeMs, uid, gid, content].join(' ')
  })
  return (await Promise.all(lines)).sort()
}

t.test('containers that write where they may and remove what they can never change the template', async t => {
  const signal = AbortSignal.timeout(60_000)
  const options = { host: localMachine, distDir: `${packageRoot()}/dist` }
  const images = await ensureImages({ ...options, cacheDir: `${cacheDir}/images` }, signal)
  const template = await ensureContainerdTemplate(images, { host: localMachine, cacheDir: `${cacheDir}/containerd` }, signal)
  const before = await fingerprint(template)

  await withKubeletNode(t, async ({ client, startKubelet, node }) => {
    const stop = startKubelet()
    const change =
      'echo x >> /etc/passwd; chmod 777 /usr/bin/node; chown 1 /bin/busybox; rm /podwire/test-server.js; mv /usr/bin/node /node'
    await client.create(pods, {
      metadata: { name: 'vandal', namespace: 'default' },
      spec: {
        nodeName: 'node-1',
        hostNetwork: true,
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        containers: [
          {
            name: 'main',
            image: 'podwire/toolbox',
            imagePullPolicy: 'IfNotPresent',
            command: ['sh', '-c', change],
            securityContext: { privileged: true },
          },
        ],
      },
    })
    const phase = async () => (await client.get(pods, { namespace: 'default', name: 'vandal' })).status?.phase
    await until('it has ended', async () => (await phase()) === 'Succeeded')
    await client.delete(pods, { namespace: 'default', name: 'vandal' })
    await until('it is gone', async () => (await client.list(pods)).items.length === 0)

    const archive = `${t.testdir({})}/app.tar`
    const layer = { name: 'app', entries: [{ type: 'text', path: 'hello', mode: 0o644, text: 'hello' }] } as const
    await writeOciArchive([{ name: 'docker.io/example/app:v1', layers: [layer], config: {} }], archive, signal)
    await importImage(node.host, archive, signal)
    const remove = ['ctr', '--namespace', 'k8s.io', 'images', 'remove', '--sync']
    await node.host.run([...remove, 'docker.io/podwire/dns:latest', 'docker.io/podwire/toolbox:latest'])
    await stop()
  })
  t.same(await fingerprint(template), before)
})
