import { readFileSync } from 'node:fs'
import t from 'tap'

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly resolved?: string; readonly optionalDependencies?: Readonly<Record<string, string>> }>
  >
}

const module = new URL('../../../setup/complete-lock.mjs', import.meta.url).href
const { missingOptionals } = (await import(module)) as { missingOptionals: (lock: Lock) => readonly { name: string; version: string }[] }

const lock = JSON.parse(readFileSync(new URL('../../../package-lock.json', import.meta.url), 'utf8')) as Lock

t.test('the lock names every optional package, whatever the registry served: npm ci refuses it otherwise', async t => {
  t.strictSame(missingOptionals(lock), [], 'node setup/complete-lock.mjs adds what is missing')
  t.match(missingOptionals({ packages: { 'node_modules/a': { optionalDependencies: { 'a-linux-x64': '1.0.0' } } } }), [
    { name: 'a-linux-x64', version: '1.0.0' },
  ])
})

t.test('the lock names no registry host', async t => {
  t.strictSame(
    Object.values(lock.packages).filter(({ resolved }) => resolved !== undefined),
    [],
  )
})
