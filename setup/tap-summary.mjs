/**
 * What a stream of TAP 14 says, as `tap --reporter=tap` writes it: a file is a subtest, its tests are subtests of that.
 *
 * A test is a subtest without subtests; a skipped one is a single line. A parent is counted only when it failed though no child did
 * (a plan that was not met, an assertion of its own, a process that died).
 *
 * @typedef {{ name: string, reason: string }} Skip
 * @typedef {{ passed: number, failed: readonly string[], skipped: readonly Skip[] }} TapSummary
 */

/**
 * @param {Iterable<string>} lines
 * @returns {TapSummary}
 */
export function summariseTap(lines) {
  let passed = 0
  const failed = []
  const skipped = []
  /** @type {{ name: string, children: number, failures: number }[]} the subtests that are open, outermost first */
  const open = []
  let diagnosticIndent
  for (const line of lines) {
    const indent = line.length - line.trimStart().length
    const text = line.trim()
    if (diagnosticIndent !== undefined) {
      if (text === '...' && indent === diagnosticIndent) diagnosticIndent = undefined
      continue
    }
    if (text === '---') {
      diagnosticIndent = indent
      continue
    }
    const level = indent / 4
    const title = /^# Subtest: (.*)$/.exec(text)
    if (title) {
      open.length = level
      open.push({ name: title[1] ?? '', children: 0, failures: 0 })
      continue
    }
    const result = /^(not )?ok \d+(?: - (.*?))?(?: # (SKIP|TODO)\b ?(.*?))?(?: # time=\S+)?$/.exec(text)
    if (!result) continue
    const [, not, description = '', directive, reason = ''] = result
    // Its own subtest stands at its level; all above are its parents.
    const own = open[level]
    const parents = open.slice(0, level)
    open.length = Math.min(open.length, level)
    const name = [...parents.map(parent => parent.name), description].join(' › ')
    if (directive) {
      skipped.push({ name, reason: directive === 'TODO' ? `TODO ${reason}` : reason })
      for (const parent of parents) parent.children += 1
    } else if (own && own.children === 0) {
      if (not) failed.push(name)
      else passed += 1
      for (const parent of parents) parent.children += 1
    } else if (not && own && own.failures === 0) {
      failed.push(name)
    }
    // An assertion has no subtest of its own: the test it is part of reports it.
    if (not && own) for (const parent of parents) parent.failures += 1
  }
  return { passed, failed, skipped }
}
