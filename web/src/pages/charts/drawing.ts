// How traces, their doubts and what is marked get onto a canvas. uPlot keeps scales, axes and the cursor.
import type uPlot from "uplot";
import { css, type Mark } from "~/parts/Chart";
import type { Scale } from "./state";
import { BAD, type Drawn, type Trace, UNCERTAIN } from "./traces";

export interface Level {
  value: number;
  label: string;
}

/** Colours are read from the theme once, not for every frame. */
export interface Colours {
  series: string[];
  mood: Record<Mark["mood"], string>;
  soft: string;
  ink: string;
  panel: string;
  font: string;
}

export function coloursNow(): Colours {
  const names = Array.from({ length: 8 }, (_, i) => css(`--series-${i + 1}`));
  return {
    series: names,
    mood: { good: css("--good"), warn: css("--warn"), bad: css("--bad"), info: css("--info") },
    soft: css("--soft"),
    ink: css("--ink"),
    panel: css("--panel"),
    font: css("--font"),
  };
}

const MOST_MARKED = 400;

/** Lowest and highest value in sight, of what is shown; as the viewer wants it scaled, by now in the shown unit. */
export function reach(drawn: readonly Drawn[], from: number, to: number, levels: readonly Level[], scale?: Scale): [number, number] {
  if (typeof scale === "object") return scale;
  let low = Infinity, high = -Infinity;
  for (const one of drawn) {
    if (one.isHidden) continue;
    for (const trace of [one.now, one.before]) {
      if (!trace) continue;
      const end = Math.min(trace.length, trace.find(to) + 1);
      for (let i = Math.max(0, trace.find(from) - 1); i < end; i++) {
        if ((trace.quality[i] ?? 0) === BAD) continue;
        const l = trace.low[i] ?? NaN, h = trace.high[i] ?? NaN;
        if (l < low) low = l;
        if (h > high) high = h;
      }
    }
  }
  if (scale === "zero") {
    low = Math.min(low, 0);
    high = Math.max(high, 0);
  }
  if (scale === "levels") {
    for (const { value } of levels) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) return [0, 1];
  const span = high - low || Math.abs(high) * 0.1 || 1;
  for (const { value } of levels) {
    // A threshold near what is measured is part of the picture; one far away would flatten it.
    if (value > high && value < high + span) high = value;
    if (value < low && value > low - span) low = value;
  }
  const spare = (high - low || span) * 0.08;
  const isOnZero = scale === "zero" && low === 0, isUnderZero = scale === "zero" && high === 0;
  return [isOnZero ? 0 : low - spare, isUnderZero && low < 0 ? 0 : high + spare];
}

/** Everything over the axes. */
export function draw(u: uPlot, drawn: readonly Drawn[], marks: readonly Mark[], levels: readonly Level[], colours: Colours): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineJoin = "round";
  drawMarks(u, marks, colours);
  for (const one of drawn) {
    if (one.isHidden) continue;
    const colour = colours.series[one.colour - 1] ?? colours.soft;
    const holds = one.kind === "int";
    if (one.before) drawTrace(u, one.before, colour, { alpha: 0.45, dash: [2, 3], width: 1.2, hasDoubts: false, holds }, colours);
    drawTrace(u, one.now, colour, { alpha: 1, dash: DASHES[one.dash] ?? [], width: 1.6, hasDoubts: true, holds }, colours);
  }
  drawLevels(u, levels, colours);
  ctx.restore();
}

interface Look {
  alpha: number;
  dash: number[];
  width: number;
  hasDoubts: boolean;
  /** A whole number stays until the next one: steps. */
  holds: boolean;
}

const DOT = 2.4;
const DASHES = [[], [7, 3], [9, 3, 2, 3]];

function drawTrace(u: uPlot, trace: Trace, colour: string, look: Look, colours: Colours): void {
  const { ctx, bbox } = u, ratio = devicePixelRatio;
  const { min: from, max: to } = u.scales["x"] as { min: number; max: number };
  const y = u.scales["y"] as { min: number; max: number };
  const first = Math.max(0, trace.find(from) - 1), end = Math.min(trace.length, trace.find(to) + 1);
  if (end <= first) return;
  const xs = bbox.width / (to - from), ys = bbox.height / (y.max - y.min), bottom = bbox.top + bbox.height;
  const X = (i: number): number => bbox.left + ((trace.ts[i] ?? 0) - from) * xs;
  const Y = (value: number): number => bottom - (value - y.min) * ys;
  const line = new Path2D(), band = new Path2D(), alone = new Path2D();
  let hasBand = false, i = first;
  while (i < end) {
    while (i < end && isOut(trace, i)) i++;
    let stop = i + 1;
    while (stop < end && !isOut(trace, stop) && (trace.ts[stop] ?? 0) - (trace.ts[stop - 1] ?? 0) <= trace.gapMs) stop++;
    if (i >= end) break;
    if (stop - i === 1) {
      // without neighbours there's no line: a dot, and of a step its lowest to highest
      const x = X(i), y = Y(trace.value[i] ?? 0);
      alone.moveTo(x + DOT * ratio, y);
      alone.arc(x, y, DOT * ratio, 0, 7);
      if ((trace.high[i] ?? 0) > (trace.low[i] ?? 0)) {
        line.moveTo(x, Y(trace.low[i] ?? 0));
        line.lineTo(x, Y(trace.high[i] ?? 0));
      }
    } else stroke(trace, i, stop, X, Y, line, look.holds && (trace.high[i] ?? 0) === (trace.low[i] ?? 0));
    hasBand = fill(trace, i, stop, X, Y, band) || hasBand;
    i = stop;
  }
  ctx.globalAlpha = look.alpha;
  ctx.strokeStyle = ctx.fillStyle = colour;
  if (hasBand && look.hasDoubts) {
    ctx.globalAlpha = 0.16;
    ctx.fill(band);
    ctx.globalAlpha = look.alpha;
  }
  ctx.fill(alone);
  ctx.lineWidth = look.width * ratio;
  ctx.setLineDash(look.dash.map((n) => n * ratio));
  ctx.stroke(line);
  ctx.setLineDash([]);
  if (look.hasDoubts) drawDoubts(u, trace, first, end, X, Y, colours);
}

/** Bad values and what is no number don't belong to the line. */
const isOut = (trace: Trace, i: number): boolean => (trace.quality[i] ?? 0) === BAD || Number.isNaN(trace.value[i] ?? NaN);

/** A stretch without gaps. Where many points share a pixel, its first, lowest, highest and last stand for all. */
function stroke(trace: Trace, first: number, end: number, X: (i: number) => number, Y: (v: number) => number, path: Path2D, holds: boolean): void {
  path.moveTo(X(first), Y(trace.value[first] ?? 0));
  if (end - first < 1200) {
    for (let i = first + 1; i < end; i++) {
      const x = X(i);
      if (holds) path.lineTo(x, Y(trace.value[i - 1] ?? 0));
      path.lineTo(x, Y(trace.value[i] ?? 0));
    }
    return;
  }
  let column = Math.floor(X(first)), low = Infinity, high = -Infinity, last = trace.value[first] ?? 0;
  for (let i = first; i < end; i++) {
    const x = Math.floor(X(i)), value = trace.value[i] ?? 0;
    if (x !== column) {
      path.lineTo(column, Y(low));
      path.lineTo(column, Y(high));
      path.lineTo(column, Y(last));
      column = x;
      low = Infinity;
      high = -Infinity;
    }
    if (value < low) low = value;
    if (value > high) high = value;
    last = value;
  }
  path.lineTo(column, Y(low));
  path.lineTo(column, Y(high));
  path.lineTo(column, Y(last));
}

/** From lowest to highest of each step. */
function fill(trace: Trace, first: number, end: number, X: (i: number) => number, Y: (v: number) => number, path: Path2D): boolean {
  let isWide = false;
  for (let i = first; i < end && !isWide; i++) isWide = (trace.high[i] ?? 0) > (trace.low[i] ?? 0);
  if (!isWide) return false;
  path.moveTo(X(first), Y(trace.high[first] ?? 0));
  for (let i = first + 1; i < end; i++) path.lineTo(X(i), Y(trace.high[i] ?? 0));
  for (let i = end - 1; i >= first; i--) path.lineTo(X(i), Y(trace.low[i] ?? 0));
  path.closePath();
  return true;
}

/** Uncertain points are rings, bad ones crosses; where there are very many, ticks at the bottom. */
function drawDoubts(u: uPlot, trace: Trace, first: number, end: number, X: (i: number) => number, Y: (v: number) => number, colours: Colours): void {
  const { ctx, bbox } = u, ratio = devicePixelRatio;
  let count = 0;
  for (let i = first; i < end; i++) if (trace.quality[i]) count++;
  if (!count) return;
  const rings = new Path2D(), crosses = new Path2D(), r = 3 * ratio, low = bbox.top + bbox.height - 5 * ratio;
  for (let i = first; i < end; i++) {
    const quality = trace.quality[i];
    if (!quality) continue;
    const x = X(i), value = trace.value[i] ?? NaN, path = quality === UNCERTAIN ? rings : crosses;
    const y = Math.min(Math.max(Y(value), bbox.top + r), bbox.top + bbox.height - r);
    if (count > MOST_MARKED || Number.isNaN(value)) {
      path.moveTo(x, low);
      path.lineTo(x, low + 5 * ratio);
    } else if (quality === UNCERTAIN) {
      path.moveTo(x + r, y);
      path.arc(x, y, r, 0, 7);
    } else {
      path.moveTo(x - r, y - r);
      path.lineTo(x + r, y + r);
      path.moveTo(x + r, y - r);
      path.lineTo(x - r, y + r);
    }
  }
  ctx.lineWidth = 1.5 * ratio;
  ctx.strokeStyle = colours.mood.warn;
  ctx.stroke(rings);
  ctx.strokeStyle = colours.mood.bad;
  ctx.stroke(crosses);
}

/** Alerts: a shade while they last, a stroke where they were raised. */
export function drawMarks(u: uPlot, marks: readonly Mark[], colours: Colours): void {
  const { ctx, bbox } = u, ratio = devicePixelRatio;
  // A few may tint the chart; many would drown it, and lie as a strip at its top.
  const inSight = marks.filter((mark) => mark.from < (u.scales["x"]?.max ?? 0) && (mark.to ?? mark.from) > (u.scales["x"]?.min ?? 0));
  const isFew = inSight.length <= 2;
  for (const mark of inSight) {
    const left = u.valToPos(mark.from, "x", true), right = mark.to === undefined ? left : u.valToPos(mark.to, "x", true);
    ctx.fillStyle = colours.mood[mark.mood];
    if (right > left) {
      ctx.globalAlpha = isFew ? 0.07 : 0.35;
      ctx.fillRect(left, bbox.top, right - left, isFew ? bbox.height : 4 * ratio);
    }
    ctx.globalAlpha = isFew ? 0.75 : 0.4;
    ctx.fillRect(left, bbox.top, 1.25 * ratio, bbox.height);
    ctx.globalAlpha = 0.85;
    ctx.beginPath();
    ctx.moveTo(left - 4 * ratio, bbox.top);
    ctx.lineTo(left + 5 * ratio, bbox.top);
    ctx.lineTo(left + 0.75 * ratio, bbox.top + 6 * ratio);
    ctx.fill();
    if (mark.to !== undefined) ctx.fillRect(right, bbox.top, ratio, 6 * ratio);
  }
  ctx.globalAlpha = 1;
}

function drawLevels(u: uPlot, levels: readonly Level[], colours: Colours): void {
  const { ctx, bbox } = u, ratio = devicePixelRatio;
  ctx.strokeStyle = ctx.fillStyle = colours.mood.bad;
  ctx.lineWidth = ratio;
  ctx.font = `${11 * ratio}px ${colours.font}`;
  ctx.textAlign = "right";
  for (const { value, label } of levels) {
    const y = Math.round(u.valToPos(value, "y", true)) + 0.5;
    const isAtTop = y < bbox.top + 16 * ratio; // then its words go below
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.globalAlpha = 0.7;
    ctx.setLineDash([6 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
    ctx.fillText(label, bbox.left + bbox.width - 6 * ratio, isAtTop ? y + 12 * ratio : y - 4 * ratio);
  }
}
