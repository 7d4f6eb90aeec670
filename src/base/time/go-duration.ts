const unitMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/**
 * Milliseconds of a duration as Kubernetes' configuration files write it: `30s`, `1h30m`, `1.5s`, `0`.
 * Undefined when the text is none (Go, package time, ParseDuration).
 */
export function parseGoDuration(text: string): number | undefined {
  const [, sign = '', amount = ''] = /^([-+]?)(.*)$/.exec(text) ?? []
  if (amount === '0') return 0
  if (!/^((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(amount)) return undefined
  const parts = [...amount.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)]
  const ms = parts.reduce((sum, [, number, unit]) => sum + Number(number) * unitMs[unit!]!, 0)
  return sign === '-' ? -ms : ms
}
