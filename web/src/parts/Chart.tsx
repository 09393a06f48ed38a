// A line chart over time, on uPlot. Gaps are gaps; what is marked is drawn over it.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Told } from "~/lib/align";
import { clock, day } from "~/lib/time";
import { dark, prefs } from "~/lib/prefs";
import { figure } from "~/lib/format";

/** values: one a time; null = a gap, undefined = none then, and the line goes on. */
export interface Line {
  name: string;
  values: Told[];
  unit?: string;
  /** bool and int hold until the next value: steps. */
  kind?: string;
}

/** From a time to a time (ms), or one moment. */
export interface Mark {
  from: number;
  to?: number;
  mood: "good" | "warn" | "bad" | "info";
  label: string;
}

interface Props {
  label: string;
  /** ms since 1970 UTC, ascending. */
  times: number[];
  lines: Line[];
  marks?: Mark[];
  /** Horizontal lines, as a rule's threshold. */
  levels?: { value: number; label: string }[];
  height?: number;
  /** From a time to a time (ms); absent = as far as there are times. */
  across?: [number, number];
  onZoom?: (from: number, to: number) => void;
}

export const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Whole hours and days of an axis are the viewer's. */
export const tzDate = (at: number): Date => (prefs.peek().zone ? uPlot.tzDate(new Date(at), prefs.peek().zone) : new Date(at));

export function axes(): uPlot.Axis[] {
  const look = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 } };
  const spoken = (_: uPlot, splits: number[]): string[] => {
    const span = (splits.at(-1) ?? 0) - (splits[0] ?? 0);
    const isWhole = splits.every((at) => at % 60_000 === 0);
    const of = (at: number): string => clock(at).slice(0, span > 600_000 || isWhole ? 5 : 8);
    // midnight is a new day: its name says more than 00:00
    return splits.map((at) => (span > 172_800_000 || (of(at) === "00:00" && span > 7_200_000) ? day(at) : of(at)));
  };
  return [
    { ...look, values: spoken, space: 68 }, // as wide as 18:30:05 with air around it
    { ...look, size: 62, values: (_, splits) => splits.map(figure) },
  ];
}

function drawMarks(plot: uPlot, marks: readonly Mark[], levels: readonly { value: number }[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const mark of marks) {
    const left = plot.valToPos(mark.from, "x", true), right = mark.to === undefined ? left : plot.valToPos(mark.to, "x", true);
    ctx.fillStyle = css(`--${mark.mood}`);
    ctx.globalAlpha = 0.12;
    if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.globalAlpha = 0.9;
    ctx.fillRect(left - 1, bbox.top, 2 * devicePixelRatio, bbox.height);
  }
  ctx.globalAlpha = 0.8;
  ctx.strokeStyle = css("--bad");
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  for (const { value } of levels) {
    const y = plot.valToPos(value, "y", true);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}

/** Places whose neighbours are gaps: no line is drawn there, so a dot must be. */
function isolated(u: uPlot, series: number): number[] {
  const values = u.data[series] ?? [], found: number[] = [];
  const beside = (from: number, by: number): boolean => {
    let at = from + by;
    while (at >= 0 && at < values.length && values[at] === undefined) at += by;
    return values[at] != null;
  };
  for (let i = 0; i < values.length; i++) if (values[i] != null && !beside(i, -1) && !beside(i, 1)) found.push(i);
  return found;
}

/** What is drawn, with all thresholds. */
function reach(levels: readonly { value: number }[], low: number | null, high: number | null): [number, number] {
  const all = [...levels.map(({ value }) => value), ...(low === null || high === null ? [] : [low, high])];
  if (!all.length) return [0, 1];
  const least = Math.min(...all), most = Math.max(...all), spare = (most - least || Math.abs(most) * 0.1 || 1) * 0.08;
  return [least - spare, most + spare];
}

export function Chart({ label, times, lines, marks = [], levels = [], height = 260, across: span, onZoom }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const drawn = useRef({ marks, levels, span, onZoom });
  drawn.current = { marks, levels, span, onZoom };
  const names = lines.map((line) => `${line.name} ${line.kind ?? ""}`).join("\n");
  useEffect(() => {
    const node = box.current;
    if (!node) return;
    const [across, up] = axes(), isOnOff = lines.length > 0 && lines.every((line) => line.kind === "bool");
    const states: uPlot.Axis = { ...up, splits: () => [0, 1], values: () => ["off", "on"] };
    const steps = uPlot.paths.stepped?.({ align: 1 });
    const made = new uPlot(
      {
        width: node.clientWidth || 300,
        height,
        ms: 1,
        legend: { show: false },
        cursor: { points: { size: 7 }, drag: { x: true, y: false } },
        tzDate,
        scales: { x: { time: true, ...(span ? { range: (): [number, number] => drawn.current.span ?? span } : {}) }, y: { range: (_, low, high) => (isOnOff ? [-0.15, 1.15] : reach(drawn.current.levels, low, high)) } },
        axes: [across ?? {}, isOnOff ? states : (up ?? {})],
        series: [
          {},
          ...lines.map((line, i): uPlot.Series => ({
            label: line.name,
            stroke: css(`--series-${(i % 8) + 1}`),
            fill: isOnOff && lines.length === 1 ? `${css("--series-1")}22` : "",
            width: 1.6,
            points: { size: 6, width: 0, fill: css(`--series-${(i % 8) + 1}`), filter: (u, at, show) => (show ? null : isolated(u, at)) },
            ...(steps && (line.kind === "bool" || line.kind === "int") ? { paths: steps } : {}),
          })),
        ],
        hooks: {
          draw: [(u) => drawMarks(u, drawn.current.marks, drawn.current.levels)],
          setSelect: [
            (u) => {
              if (u.select.width > 4) drawn.current.onZoom?.(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
            },
          ],
        },
      },
      [times, ...lines.map((line) => line.values)],
      node,
    );
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: node.clientWidth, height }));
    watcher.observe(node);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [names, height, dark.value, prefs.value.zone]);
  useEffect(() => {
    plot.current?.setData([times, ...lines.map((line) => line.values)]);
  }, [times, lines, marks, levels]);
  return <div class="chart" ref={box} role="img" aria-label={label} />;
}
