// States over time: what is on or off, and what is told in words. Each series is a lane of blocks with their words in it.
import type uPlot from "uplot";
import type { Mark } from "~/parts/Chart";
import { type Colours, drawMarks } from "./drawing";
import { BAD, type Drawn, type Trace, UNCERTAIN } from "./traces";

export const LANE_PX = 50, HEAD_PX = 18;
const ABOVE_PX = 18, AXIS_PX = 62;

/** A panel's height for so many lanes. */
export const heightOf = (lanes: number): number => ABOVE_PX + AXIS_PX + Math.max(1, lanes) * LANE_PX;

/** from, to: ms; mixed: it was more than one of them in a step. */
interface Block {
  from: number;
  to: number;
  value: number;
  quality: number;
  mixed: boolean;
  /** No reading came for longer than usual: it may have changed. */
  isOld: boolean;
}

/** A trace as blocks: equal neighbours are one. */
export function blocks(trace: Trace, from: number, to: number): Block[] {
  const found: Block[] = [], first = Math.max(0, trace.find(from) - 1), end = Math.min(trace.length, trace.find(to));
  const add = (one: Block): void => {
    const last = found.at(-1);
    if (last && last.to === one.from && last.value === one.value && last.quality === one.quality && last.mixed === one.mixed && last.isOld === one.isOld) last.to = one.to;
    else if (one.to > one.from) found.push(one);
  };
  for (let i = first; i < end; i++) {
    const at = trace.ts[i] ?? 0, value = trace.value[i] ?? NaN, next = i + 1 < trace.length ? Math.min(trace.ts[i + 1] ?? to, to) : to;
    if (Number.isNaN(value)) continue;
    const one = { value, quality: trace.quality[i] ?? 0, mixed: (trace.high[i] ?? 0) > (trace.low[i] ?? 0) };
    const sure = Math.min(next, at + trace.gapMs);
    add({ ...one, from: at, to: sure, isOld: false });
    if (next > sure) add({ ...one, mixed: false, from: sure, to: next, isOld: true });
  }
  return found;
}

export function drawLanes(u: uPlot, drawn: readonly Drawn[], marks: readonly Mark[], colours: Colours): void {
  const { ctx, bbox } = u, ratio = devicePixelRatio, shown = drawn.filter((one) => !one.isHidden);
  const { min: from, max: to } = u.scales["x"] as { min: number; max: number };
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const { font, soft, ink } = colours;
  const height = bbox.height / Math.max(1, shown.length), X = (at: number): number => bbox.left + ((at - from) / (to - from)) * bbox.width;
  shown.forEach((one, row) => {
    const top = bbox.top + row * height, band = { y: top + HEAD_PX * ratio, h: height - (HEAD_PX + 4) * ratio };
    ctx.globalAlpha = 1;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.font = `${11.5 * ratio}px ${font}`;
    ctx.fillStyle = soft;
    ctx.fillText(`${one.device} / ${one.metric}`, bbox.left + 4 * ratio, top + 9 * ratio);
    if (one.before) drawBlocks(u, one, one.before, { y: band.y + band.h - 4 * ratio, h: 4 * ratio }, X, [from, to], colours, ink);
    drawBlocks(u, one, one.now, one.before ? { y: band.y, h: band.h - 6 * ratio } : band, X, [from, to], colours, ink);
  });
  ctx.globalAlpha = 1;
  drawMarks(u, marks, colours);
  ctx.restore();
}

function drawBlocks(u: uPlot, one: Drawn, trace: Trace, band: { y: number; h: number }, X: (at: number) => number, range: [number, number], colours: Colours, ink: string): void {
  const { ctx, bbox } = u, ratio = devicePixelRatio, isBool = one.kind === "bool", right = bbox.left + bbox.width;
  for (const block of blocks(trace, ...range)) {
    const x = Math.max(bbox.left, X(block.from)), width = Math.max(1.5 * ratio, Math.min(right, X(block.to)) - x);
    const isOff = isBool && !block.value && !block.mixed, y = isOff ? band.y + band.h - 3 * ratio : band.y, h = isOff ? 3 * ratio : band.h;
    ctx.fillStyle = colours.series[(isBool ? one.colour - 1 : block.value) % colours.series.length] ?? colours.soft;
    ctx.globalAlpha = block.isOld ? 0.14 : block.mixed ? 0.3 : isOff ? 0.6 : isBool ? 0.5 : 0.34;
    ctx.fillRect(x, y, width, h);
    ctx.globalAlpha = block.isOld ? 0.4 : 1;
    ctx.fillRect(x, y, Math.min(width, 1.5 * ratio), h);
    if (block.quality) {
      ctx.fillStyle = block.quality === BAD ? colours.mood.bad : block.quality === UNCERTAIN ? colours.mood.warn : ink;
      ctx.globalAlpha = 0.9;
      ctx.fillRect(x, band.y + band.h - 2 * ratio, width, 2 * ratio);
    }
    if (band.h < 12 * ratio) continue;
    const words = block.mixed ? (isBool ? "on and off" : "") : isBool ? (block.value ? "on" : "off") : trace.words[block.value] ?? "";
    ctx.globalAlpha = block.isOld ? 0.75 : 1;
    ctx.fillStyle = ink;
    ctx.textAlign = "left";
    const fitting = fit(ctx, words, width - 10 * ratio);
    if (fitting) ctx.fillText(fitting, x + 6 * ratio, band.y + band.h / 2);
  }
}

/** As much of the words as there is room for; less than two letters say nothing. */
function fit(ctx: CanvasRenderingContext2D, words: string, width: number): string {
  if (width < 8 || !words) return "";
  if (ctx.measureText(words).width <= width) return words;
  const many = Math.floor((words.length * width) / ctx.measureText(words).width) - 1;
  return many < 2 ? "" : `${words.slice(0, many)}…`;
}
