import type { ArmRecord, BenchRecord, CaseRecord, MetricRecord } from '../base/results/bench-record.js'
import { html, type Markup } from './markup.js'
import { type RatioRow, ratioPlot } from './ratio-plot.js'
import { type SizeSeries, sizePlot } from './size-plot.js'
import { pageStyle, palette, plotStyle } from './style.js'

/**
 * One run of `podwire bench` as one HTML page: for each case and metric the arms' ratios to the baseline with their intervals and the band of the null arm, lines over
 * sizes where a case was measured at several, and the same as tables. It needs no network and no scripts.
 */
export function renderBenchmark(record: BenchRecord): string {
  const { workload, machine, cases, isPartial, seed, scale, startedAt } = record
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>podwire bench ${workload}</title>
<style>${{ markup: palette + plotStyle + pageStyle }}</style>
</head>
<body>
<header>
<h1>podwire: bench ${workload}</h1>
<dl class="facts">
<div><dt>kernel</dt><dd>Linux ${machine.kernel}</dd></div>
<div><dt>machine</dt><dd>${machine.cpus} × ${machine.cpu}, ${Math.round(machine.memoryMiB / 1024)} GiB</dd></div>
<div><dt>Node, podwire</dt><dd>${machine.node}, ${machine.podwire}</dd></div>
<div><dt>begun</dt><dd>${startedAt.slice(0, 16).replace('T', ' ')} UTC, load ${machine.load.toFixed(2)}</dd></div>
<div><dt>run</dt><dd>${scale}, seed ${seed}</dd></div>
</dl>
${isPartial && html`<p class="alarm">The run was stopped before its end: these are whole rounds, not all of them.</p>`}
</header>
<main>
${cases.length === 0 ? html`<p class="alarm">No case was measured.</p>` : undefined}
${sizeFigures(cases)}
${cases.map(caseSection)}
</main>
<footer>A dot is the ratio of medians to the baseline, its line the interval that 95 of 100 resamples of whole rounds fall into; the grey band is the baseline measured a second time in each round
(99 of 100). An arm whose line reaches into the band cannot be told from the baseline. All arms ran on one machine and one kernel, in the same rounds: ratios compare code paths, they do not foretell
what machines with a wire between them reach. Figures of two runs are compared by <code>podwire bench compare</code>, not by eye.</footer>
</body>
</html>
`
  return page.markup
}

/** A figure for each metric that was measured at more than one size, for each kind of case: those that differ in their size alone. */
function sizeFigures(cases: readonly CaseRecord[]): Markup | undefined {
  const names = [...new Set(cases.flatMap(({ arms }) => arms.map(({ name }) => name)))].sort()
  const figures = [...new Set(cases.map(kindOf))].flatMap(kind => {
    const alike = cases.filter(each => kindOf(each) === kind)
    return [...new Set(alike.flatMap(sizedBy))].flatMap(parameter => {
      const metrics = new Map(alike.flatMap(each => each.metrics.map(metric => [metric.name, metric] as const)))
      return [...metrics.values()].flatMap(metric => {
        const series = seriesOf(alike, parameter, metric)
        if (!series.some(({ points }) => new Set(points.map(({ size }) => size)).size > 1)) return []
        const caption = `${kind}: ${metric.name} by ${parameter}, ${metric.unit}`
        return [
          html`<figure class="plot"><figcaption>${caption}</figcaption>${sizePlot(series, { parameter, unit: metric.unit, names })}</figure>`,
        ]
      })
    })
  })
  return figures.length === 0 ? undefined : html`<h2>By size</h2><div class="plots">${figures}</div>`
}

const sizedBy = ({ parameters }: CaseRecord): readonly string[] =>
  Object.entries(parameters).flatMap(([key, value]) => (typeof value === 'number' ? [key] : []))

/** `packets` of `packets, 1000 Services`. */
const kindOf = ({ name }: CaseRecord): string => name.replace(/,? *[\d,]+ [\w ]+$/, '') || name

function seriesOf(cases: readonly CaseRecord[], parameter: string, metric: MetricRecord): readonly SizeSeries[] {
  const points = new Map<string, { readonly size: number; readonly value: number }[]>()
  for (const { parameters, arms, metrics } of cases) {
    if (typeof parameters[parameter] !== 'number' || !metrics.some(({ name }) => name === metric.name)) continue
    for (const { name, role, medians } of arms) {
      const value = medians[metric.name]
      if (role === 'null' || value === undefined || !(value > 0)) continue
      points.set(name, [...(points.get(name) ?? []), { size: Number(parameters[parameter]), value }])
    }
  }
  return [...points].map(([name, all]) => ({ name, points: all.sort((a, b) => a.size - b.size) }))
}

function caseSection(each: CaseRecord): Markup {
  const { name, parameters, metrics, rounds, missing, voided, baseline } = each
  const sizes = Object.entries(parameters).map(([key, value]) => `${value} ${key}`)
  const unsaid = sizes.filter(size => !name.toLowerCase().includes(size.toLowerCase()))
  return html`<section class="flow">
<h2>${name}</h2>
<p class="soft">${[...unsaid, `${rounds} rounds`, `ratios to: ${baseline}`].join(' · ')}</p>
${voided.map(metric => html`<p class="alarm">Void: ${metric} of ${baseline} differs from itself; the machine was not still.</p>`)}
${missing.map(({ arm, why }) => html`<p class="soft">${arm} was left out: ${why}</p>`)}
<div class="plots">${metrics.map(metric => metricFigure(each, metric))}</div>
<details><summary>As a table</summary><div class="wide">${caseTable(each)}</div></details>
</section>`
}

function metricFigure({ arms, voided }: CaseRecord, metric: MetricRecord): Markup | undefined {
  const rows = arms.flatMap(({ name, role, ratios }): RatioRow[] => {
    const ratio = ratios[metric.name]
    return role === 'compared' && ratio !== undefined ? [{ name, ratio }] : []
  })
  if (rows.length === 0) return undefined
  const band = arms.find(({ role }) => role === 'null')?.ratios[metric.name]
  return html`<figure class="plot"><figcaption>${metric.name}, ${metric.better} is better${voided.includes(metric.name) && ' (void)'}</figcaption>${ratioPlot(rows, { band, better: metric.better })}</figure>`
}

function caseTable({ arms, metrics }: CaseRecord): Markup {
  const cells = (arm: ArmRecord, { name, unit }: MetricRecord): readonly Markup[] => {
    const [median, ratio] = [arm.medians[name], arm.ratios[name]]
    const text = median === undefined || Number.isNaN(median) ? '–' : `${Number(median.toPrecision(4)).toLocaleString('en')} ${unit}`
    const interval = ratio && `${ratio.estimate.toFixed(2)} [${ratio.low.toFixed(2)}, ${ratio.high.toFixed(2)}]`
    return [html`<td class="number">${text}</td>`, html`<td class="number">${interval}</td>`]
  }
  return html`<table><thead><tr><th>arm</th>${metrics.map(({ name }) => html`<th class="number">${name}</th><th class="number">ratio</th>`)}</tr></thead>
<tbody>${arms.map(arm => html`<tr><td>${arm.name}</td>${metrics.map(metric => cells(arm, metric))}</tr>`)}</tbody></table>`
}
