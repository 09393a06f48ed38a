// Series with times of their own, on the one list of times that a chart wants.

/** undefined: it has nothing to say then, and its line goes on; null: a gap. */
export type Told = number | null | undefined;

/** at: ms, ascending; value null = there's none. */
export type Point = readonly [at: number, value: number | null];

/** From so far apart on (ms) two points are no neighbours: three times as far as they usually are. */
export function gapOf(times: readonly number[]): number {
  const apart = times.slice(1).map((at, i) => at - (times[i] ?? at)).sort((a, b) => a - b);
  return apart.length < 2 ? Infinity : 3 * (apart[apart.length >> 1] ?? 0);
}

/** All on the union of their times; a gap is where points are much farther apart than usual. */
export function aligned(series: readonly (readonly Point[])[]): { times: number[]; values: Told[][] } {
  const gapped = series.map((points) => {
    const gap = gapOf(points.map(([at]) => at));
    return points.flatMap((one, i): Point[] => {
      const before = points[i - 1];
      return before && one[0] - before[0] > gap ? [[(before[0] + one[0]) / 2, null], one] : [one];
    });
  });
  const times = [...new Set(gapped.flatMap((points) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const place = new Map(times.map((at, i) => [at, i]));
  const values = gapped.map((points) => {
    const column = new Array<Told>(times.length).fill(undefined);
    for (const [at, value] of points) column[place.get(at) ?? 0] = value;
    return column;
  });
  return { times, values };
}
