// SVG lines from columns: a sparkline for a table row, and a chart with a min/max band, axes and a readout.

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (parent) parent.append(node);
  return node;
}

// Points further apart than four times the usual are not joined: silence must not look like a straight line.
function usualGap(times, step) {
  const apart = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
  return Math.max(step * 3.5, 4 * (apart[apart.length >> 1] ?? 0));
}

function path(points, gap) {
  let d = "", before = null;
  for (const [x, y, t] of points) {
    d += `${before === null || t - before > gap ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    before = t;
  }
  return d;
}

function extent(values) {
  let low = Infinity, high = -Infinity;
  for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
  return [low, high];
}

export function sparkline(column, from, to, step) {
  const box = svg("svg", { viewBox: "0 0 122 24", preserveAspectRatio: "none", "aria-hidden": "true" });
  const points = (column?.ts ?? []).map((t, i) => [t, column.mean?.[i] ?? column.last?.[i]]).filter(([, v]) => typeof v === "number");
  if (points.length < 2) return box;
  let [low, high] = extent(points.map(([, v]) => v));
  if (low === high) { low -= 1; high += 1; }
  const placed = points.map(([t, v]) => [((t - from) / (to - from)) * 122, 22 - ((v - low) / (high - low)) * 20, t]);
  svg("path", { d: path(placed, usualGap(points.map(([t]) => t), step)), class: "sparkline" }, box);
  return box;
}

function niceStep(span, count) {
  const raw = span / count, power = 10 ** Math.floor(Math.log10(raw));
  return power * [1, 2, 2.5, 5, 10].find((m) => m * power >= raw);
}

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000].map((s) => s * 1e9);

function tickLabel(ns, tick) {
  return tick < 86400e9 ? clock(ns, tick < 60e9) : new Date(ns / 1e6).toLocaleDateString([], { day: "numeric", month: "short" });
}

export function clock(ns, seconds) {
  const options = { hour: "2-digit", minute: "2-digit", hour12: false, ...(seconds ? { second: "2-digit" } : {}) };
  return new Date(ns / 1e6).toLocaleTimeString([], options);
}

export function chart(host, column, from, to, step, say) {
  const width = Math.max(240, host.clientWidth - 28), height = window.innerWidth < 620 ? 200 : 240;
  const left = 52, right = 8, top = 8, bottom = 22;
  const box = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Chart of ${column.series}` });
  const points = column.ts.map((t, i) => ({
    t, mid: column.mean?.[i] ?? column.last?.[i], low: column.min?.[i], high: column.max?.[i], count: column.count?.[i] ?? 0,
  })).filter((p) => typeof p.mid === "number" || typeof p.mid === "boolean").map((p) => ({ ...p, mid: Number(p.mid) }));
  host.replaceChildren(box);
  if (!points.length) {
    const text = svg("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, box);
    text.textContent = column.kind === "text" && column.ts.length ? "Text has no chart." : "No readings in this time.";
    return;
  }
  let [low, high] = extent(points.flatMap((p) => [p.low ?? p.mid, p.high ?? p.mid]));
  const room = (high - low || Math.abs(high) * 0.1 || 1) * 0.06;
  low -= room; high += room;
  const x = (t) => left + ((t - from) / (to - from)) * (width - left - right);
  const y = (v) => top + (1 - (v - low) / (high - low)) * (height - top - bottom);

  const every = niceStep(high - low, 4);
  for (let v = Math.ceil(low / every) * every; v <= high; v += every) {
    svg("line", { x1: left, x2: width - right, y1: y(v), y2: y(v), class: "grid" }, box);
    svg("text", { x: left - 7, y: y(v) + 4, "text-anchor": "end" }, box).textContent = Number(v.toPrecision(6)).toLocaleString();
  }
  const most = Math.max(2, Math.floor(width / 110));
  const tick = TIME_STEPS.find((s) => (to - from) / s <= most) ?? TIME_STEPS.at(-1);
  for (let t = Math.ceil(from / tick) * tick; t <= to; t += tick)
    if (x(t) > left + 14 && x(t) < width - 24) svg("text", { x: x(t), y: height - 6, "text-anchor": "middle" }, box).textContent = tickLabel(t, tick);

  const gap = usualGap(points.map((p) => p.t), step);
  for (let start = 0, i = 1; i <= points.length; i++) {
    if (i < points.length && points[i].t - points[i - 1].t <= gap) continue;
    const run = points.slice(start, i);
    if (run.length > 1 && run[0].low !== undefined && run[0].low !== null) {
      const over = run.map((p) => `${x(p.t).toFixed(1)} ${y(p.high).toFixed(1)}`);
      const under = run.map((p) => `${x(p.t).toFixed(1)} ${y(p.low).toFixed(1)}`).reverse();
      svg("path", { d: `M${[...over, ...under].join("L")}Z`, class: "band" }, box);
    } else if (run.length === 1) svg("circle", { cx: x(run[0].t), cy: y(run[0].mid), r: 2.2, class: "dot" }, box);
    start = i;
  }
  svg("path", { d: path(points.map((p) => [x(p.t), y(p.mid), p.t]), gap), class: "line" }, box);

  const cursor = svg("line", { y1: top, y2: height - bottom, class: "cursor", visibility: "hidden" }, box);
  const dot = svg("circle", { r: 3.5, class: "dot", visibility: "hidden" }, box);
  box.addEventListener("pointermove", (event) => {
    const at = from + (((event.clientX - box.getBoundingClientRect().left) * (width / box.getBoundingClientRect().width) - left) / (width - left - right)) * (to - from);
    const near = points.reduce((best, p) => (Math.abs(p.t - at) < Math.abs(best.t - at) ? p : best));
    for (const [key, value] of [["x1", x(near.t)], ["x2", x(near.t)], ["visibility", "visible"]]) cursor.setAttribute(key, value);
    for (const [key, value] of [["cx", x(near.t)], ["cy", y(near.mid)], ["visibility", "visible"]]) dot.setAttribute(key, value);
    say(near);
  });
  box.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden"); dot.setAttribute("visibility", "hidden"); say(null);
  });
}
