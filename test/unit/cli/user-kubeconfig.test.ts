import { lstatSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { isPodwireError } from '../../../src/base/errors/podwire-error.js'
import { forgetContext, mergeContext } from '../../../src/cli/user-kubeconfig.js'

const mine = `# my clusters
apiVersion: v1
kind: Config
current-context: work
clusters:
  - name: work # do not touch
    cluster: {server: "https://work:6443"}
contexts:
  - name: work
    context: {cluster: work, user: me}
users:
  - name: me
    user: {token: t0}
`

function files(t: Test, text?: string) {
  const dir = mkdtempSync(join(tmpdir(), 'podwire-kubeconfig-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const [lab, user] = [join(dir, 'lab'), join(dir, 'deep/config')]
  writeFileSync(lab, 'clusters: [{name: c, cluster: {server: "https://127.0.0.1:7"}}]\nusers: [{name: u, user: {token: t1}}]\n')
  const file = text === undefined ? user : join(dir, 'config')
  if (text !== undefined) writeFileSync(file, text)
  return { dir, lab, file, env: { KUBECONFIG: `:${file}:/another` }, read: () => readFileSync(file, 'utf8') }
}

t.test('without a file one is made that only its owner can read', async t => {
  const { lab, file, env, read } = files(t)
  t.equal(await mergeContext('red', lab, env), file)
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.strictSame(parse(read()), {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'podwire-red', cluster: { server: 'https://127.0.0.1:7' } }],
    contexts: [{ name: 'podwire-red', context: { cluster: 'podwire-red', user: 'podwire-red' } }],
    users: [{ name: 'podwire-red', user: { token: 't1' } }],
    'current-context': 'podwire-red',
  })
})

t.test('what was there stays, comments too; merging twice is merging once; forgetting leaves it as it was', async t => {
  const { lab, env, read } = files(t, mine)
  await mergeContext('red', lab, env)
  const once = read()
  t.match(once, '# my clusters')
  t.match(once, '# do not touch')
  t.strictSame(
    parse(once).contexts.map(({ name }: { name: string }) => name),
    ['work', 'podwire-red'],
  )
  await mergeContext('red', lab, env)
  t.equal(read(), once)
  await forgetContext('red', env)
  const { 'current-context': current, ...rest } = parse(mine)
  t.equal(current, 'work')
  t.strictSame(parse(read()), rest, 'only the choice of a context is gone: it was ours')
})

t.test('forgetting what is not there writes nothing', async t => {
  const { env, read } = files(t, mine)
  await forgetContext('red', env)
  t.equal(read(), mine)
})

t.test('a link stays a link', async t => {
  const { dir, lab, file, read } = files(t, mine)
  const link = join(dir, 'link')
  symlinkSync(file, link)
  await mergeContext('red', lab, { KUBECONFIG: link })
  t.ok(lstatSync(link).isSymbolicLink())
  t.match(read(), 'podwire-red')
})

t.test('a file that is no kubeconfig is left as it is', async t => {
  for (const text of ['clusters: {}\n', 'clusters: [\n']) {
    const { lab, env, read } = files(t, text)
    await t.rejects(mergeContext('red', lab, env), { code: 'CONFIG_INVALID' })
    t.equal(read(), text)
    t.ok(isPodwireError(await mergeContext('red', lab, env).catch(error => error)))
  }
})
