/** A logarithmic axis: where a value stands, and which round values mark it. */
export interface LogScale {
  at(value: number): number
  readonly ticks: readonly number[]
}

/** From the least to the greatest of `values`, which are above 0, on the pixels from `start` to `end`; with some room at both ends. */
export function logScale(values: readonly number[], { start, end }: { readonly start: number; readonly end: number }): LogScale {
  const [least, greatest] = [Math.min(...values), Math.max(...values)]
  const room = Math.max(0.02, (Math.log10(greatest) - Math.log10(least)) * 0.06)
  const [low, high] = [Math.log10(least) - room, Math.log10(greatest) + room]
  const at = (value: number): number => start + ((Math.log10(value) - low) / (high - low)) * (end - start)
  return { at, ticks: ticksBetween(10 ** low, 10 ** high) }
}

/** As few as can be read and as many as say something. */
const wantedTicks = 3
const mostTicks = 7

/** The finest of the usual series that does not crowd the axis. */
function ticksBetween(low: number, high: number): readonly number[] {
  const series = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9, 9.5]]
  const all = series.map(steps => {
    const decades = Array.from(
      { length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
      (_, i) => Math.floor(Math.log10(low)) + i,
    )
    return decades
      .flatMap(decade => steps.map(step => Number((step * 10 ** decade).toPrecision(3))))
      .filter(tick => tick >= low && tick <= high)
  })
  return (
    all.find(ticks => ticks.length >= wantedTicks && ticks.length <= mostTicks) ?? all.findLast(ticks => ticks.length <= mostTicks) ?? []
  )
}
