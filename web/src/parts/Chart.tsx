// A line chart over time, on uPlot. Gaps are gaps; what is marked is drawn over it.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock, day } from "~/lib/time";
import { dark } from "~/lib/prefs";
import { figure } from "~/lib/format";

/** values: one a time; null = a gap. */
export interface Line {
  name: string;
  values: (number | null)[];
  unit?: string;
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
  onZoom?: (from: number, to: number) => void;
}

export const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function axes(): uPlot.Axis[] {
  const look = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 } };
  const spoken = (_: uPlot, splits: number[]): string[] => {
    const span = (splits.at(-1) ?? 0) - (splits[0] ?? 0);
    return splits.map((at) => (span > 172_800_000 ? day(at) : clock(at).slice(0, span > 600_000 ? 5 : 8)));
  };
  return [
    { ...look, values: spoken },
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

export function Chart({ label, times, lines, marks = [], levels = [], height = 260, onZoom }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const drawn = useRef({ marks, levels, onZoom });
  drawn.current = { marks, levels, onZoom };
  const names = lines.map((line) => line.name).join("\n");
  useEffect(() => {
    const node = box.current;
    if (!node) return;
    const made = new uPlot(
      {
        width: node.clientWidth || 300,
        height,
        ms: 1,
        legend: { show: false },
        cursor: { points: { size: 7 }, drag: { x: true, y: false } },
        scales: { x: { time: true } },
        axes: axes(),
        series: [{}, ...lines.map((line, i) => ({ label: line.name, stroke: css(`--series-${(i % 8) + 1}`), width: 1.6 }))],
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
  }, [names, height, dark.value]);
  useEffect(() => {
    plot.current?.setData([times, ...lines.map((line) => line.values)]);
  }, [times, lines, marks, levels]);
  return <div class="chart" ref={box} role="img" aria-label={label} />;
}
