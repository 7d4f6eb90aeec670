/**
 * Builds dist/: every bin/*.ts as one bundled ES module (only native packages stay outside), every bin/*.c as a static program.
 * A source that has not changed since its output was made is left alone.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)
mkdirSync('dist', { recursive: true })

const sources = readdirSync('bin')

await build({
  entryPoints: sources.filter(file => file.endsWith('.ts')).map(file => `bin/${file}`),
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: 'linked',
  external: ['koffi', 'lmdb', 'netlink'],
  loader: { '.json': 'json' },
  // Bundled CommonJS packages call require and __filename, which ES modules lack.
  banner: {
    js: [
      "import { createRequire as podwireRequire } from 'node:module'",
      "import { fileURLToPath as podwirePath } from 'node:url'",
      'const require = podwireRequire(import.meta.url), __filename = podwirePath(import.meta.url), __dirname = podwirePath(new URL(".", import.meta.url))',
    ].join('\n'),
  },
  logLevel: 'warning',
})

// The script of the live page runs in browsers.
await build({
  entryPoints: ['src/ui/browser/live-page.ts'],
  outfile: 'dist/live-page.js',
  bundle: true,
  platform: 'browser',
  target: 'es2022',
  format: 'esm',
  minify: true,
  logLevel: 'warning',
})

for (const file of sources.filter(name => name.endsWith('.c'))) {
  const output = `dist/${file.slice(0, -2)}`
  if (existsSync(output) && statSync(output).mtimeMs > statSync(`bin/${file}`).mtimeMs) continue
  const { status, stderr, error } = spawnSync('cc', ['-static', '-O2', '-Wall', '-Wextra', '-Werror', '-o', output, `bin/${file}`], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`cc could not compile bin/${file}: ${error?.message ?? stderr}`)
}

// The plugin as runtimes call it where no agent runs; cni-forward looks for it beside itself.
writeFileSync('dist/podwire-cni', `#!/bin/sh\nexec ${process.execPath} "$(dirname "$0")/cni.js"\n`, { mode: 0o755 })
