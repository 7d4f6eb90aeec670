import { type Answer, textAnswer } from './answers.js'

/** One thing that must hold for the server to live or to be ready; rejects with the reason when it does not. */
export interface HealthCheck {
  readonly name: string
  /** Only readiness depends on it: a restart would not mend it. */
  readonly readinessOnly?: boolean
  check(): void | Promise<void>
}

const roots = new Set(['healthz', 'livez', 'readyz'])

/** Answers `/livez`, `/readyz`, `/healthz` and a single check below them, in upstream's words; undefined for any other path. */
export async function healthAnswer(path: string, query: URLSearchParams, checks: readonly HealthCheck[]): Promise<Answer | undefined> {
  const [, root = '', name, ...more] = path.replace(/\/$/, '').split('/')
  if (!roots.has(root) || more.length > 0) return undefined
  const asked = checks.filter(check => (name === undefined ? root === 'readyz' || !check.readinessOnly : check.name === name))
  if (name !== undefined && asked.length === 0) return undefined
  const excluded = new Set(query.getAll('exclude'))
  const lines: string[] = []
  let failed = false
  for (const { name, check } of asked) {
    if (excluded.has(name)) {
      lines.push(`[+]${name} excluded: ok`)
      continue
    }
    try {
      await check()
      lines.push(`[+]${name} ok`)
    } catch {
      failed = true
      lines.push(`[-]${name} failed: reason withheld`)
    }
  }
  if (failed) return textAnswer(`${lines.join('\n')}\n${root} check failed\n`, 500)
  return textAnswer(query.has('verbose') ? `${lines.join('\n')}\n${root} check passed\n` : 'ok')
}
