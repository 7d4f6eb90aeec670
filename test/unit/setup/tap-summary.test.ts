import t from 'tap'

interface TapSummary {
  readonly passed: number
  readonly failed: readonly string[]
  readonly skipped: readonly { readonly name: string; readonly reason: string }[]
}
const module = new URL('../../../setup/tap-summary.mjs', import.meta.url).href
const { summariseTap } = (await import(module)) as { summariseTap: (lines: readonly string[]) => TapSummary }

/** A file with these lines inside, as `tap --reporter=tap` prints it. */
const file = (ok: boolean, ...inside: readonly string[]) => [
  'TAP version 14',
  '# Subtest: a.test.ts',
  ...inside.map(line => `    ${line}`),
  `${ok ? 'ok' : 'not ok'} 1 - a.test.ts # time=1ms`,
]
const test = (name: string, ok: boolean, ...inside: readonly string[]) => [
  `# Subtest: ${name}`,
  ...inside.map(line => `    ${line}`),
  `${ok ? 'ok' : 'not ok'} 1 - ${name} # time=1ms`,
]

const cases: Readonly<Record<string, { readonly lines: readonly string[]; readonly want: TapSummary }>> = {
  'a test with many assertions is one': {
    lines: file(true, ...test('x', true, 'ok 1 - one', 'ok 2 - two')),
    want: { passed: 1, failed: [], skipped: [] },
  },
  'a parent is not counted beside its children': {
    lines: file(true, ...test('x', true, ...test('y', true, 'ok 1'), ...test('z', true, 'ok 1'))),
    want: { passed: 2, failed: [], skipped: [] },
  },
  'a failed child is counted once, not again by its parents': {
    lines: file(false, ...test('x', false, ...test('y', false, 'not ok 1 - no'), ...test('z', true, 'ok 1'))),
    want: { passed: 1, failed: ['a.test.ts › x › y'], skipped: [] },
  },
  'a failed assertion of a parent is counted though its children passed': {
    lines: file(false, ...test('x', false, ...test('y', true, 'ok 1'), 'not ok 2 - own')),
    want: { passed: 1, failed: ['a.test.ts › x'], skipped: [] },
  },
  'a file without subtests is a test': { lines: file(false, 'not ok 1 - no'), want: { passed: 0, failed: ['a.test.ts'], skipped: [] } },
  'a process that dies fails its file': {
    lines: file(false, ...test('x', true, 'ok 1')),
    want: { passed: 1, failed: ['a.test.ts'], skipped: [] },
  },
  'skips keep their reason; what is to do is a skip too': {
    lines: file(true, 'ok 1 - x # SKIP KERNEL_UNSUPPORTED ipvs', 'ok 2 - y # SKIP', 'not ok 3 - z # TODO later'),
    want: {
      passed: 0,
      failed: [],
      skipped: [
        { name: 'a.test.ts › x', reason: 'KERNEL_UNSUPPORTED ipvs' },
        { name: 'a.test.ts › y', reason: '' },
        { name: 'a.test.ts › z', reason: 'TODO later' },
      ],
    },
  },
  'diagnostics are not results': {
    lines: file(
      false,
      ...test('x', false, 'not ok 1 - no', '  ---', '  source: |', '    not ok 7 - quoted', '    # Subtest: quoted', '  ...'),
    ),
    want: { passed: 0, failed: ['a.test.ts › x'], skipped: [] },
  },
}

for (const [name, { lines, want }] of Object.entries(cases)) {
  t.test(name, async t => {
    t.strictSame(summariseTap(lines), want)
  })
}
