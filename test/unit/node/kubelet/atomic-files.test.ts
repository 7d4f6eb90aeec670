import { readdir, readFile, readlink, stat } from 'node:fs/promises'

import t from 'tap'

import { type FileTree, writeFileTree } from '../../../../src/node/kubelet/atomic-files.js'

const tree = (files: Readonly<Record<string, string>>, mode = 0o644): FileTree =>
  new Map(Object.entries(files).map(([path, text]) => [path, { bytes: Buffer.from(text), mode }]))

t.test('files change all at once and only when they must', async t => {
  const dir = `${t.testdir({})}/volume`
  await writeFileTree(dir, tree({ a: '1', 'nested/b': '2' }), undefined)
  t.equal(await readFile(`${dir}/a`, 'utf8'), '1')
  t.equal(await readFile(`${dir}/nested/b`, 'utf8'), '2')
  const first = await readlink(`${dir}/..data`)

  await writeFileTree(dir, tree({ a: '1', 'nested/b': '2' }), undefined)
  t.equal(await readlink(`${dir}/..data`), first, 'nothing has changed')

  await writeFileTree(dir, tree({ a: '3', c: '4' }), undefined)
  t.not(await readlink(`${dir}/..data`), first)
  t.same(
    (await readdir(dir)).filter(name => !name.startsWith('..')),
    ['a', 'c'],
  )
  t.equal(await readFile(`${dir}/a`, 'utf8'), '3')
  t.equal((await readdir(dir)).filter(name => name.startsWith('..')).length, 2, 'the old files are removed')

  await writeFileTree(dir, tree({ a: '3', c: '4' }, 0o400), undefined)
  t.equal((await stat(`${dir}/a`)).mode & 0o777, 0o400, 'a mode is a change')
  await writeFileTree(dir, tree({}), undefined)
  t.same(
    (await readdir(dir)).filter(name => !name.startsWith('..')),
    [],
  )
})
