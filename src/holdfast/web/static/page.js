// The node's page: asks the JSON API every two seconds and shows the answers. Text goes in as text, never as HTML.

import { chart, clock, sparkline } from "./chart.js";

const EVERY_MS = 2000, SPARK_MS = 20000, SHOWN = 300, SPARKED = 60, GONE_SHOWN = 6;
const LANES = ["critical", "normal", "bulk", "region", "site"];
const LEVELS = { yellow: " · yellow: what the parent holds goes", orange: " · orange: bulk is shed", red: " · red: only alerts are safe" };
const REASONS = { disk: "shed for space", age: "too old", summarised: "summarised", damaged: "damaged", forgotten: "lost at the parent" };
const SPANS = [["10 min", 600], ["1 h", 3600], ["6 h", 21600], ["24 h", 86400], ["7 d", 604800], ["30 d", 2592000], ["1 y", 31536000]];
// Steps that divide minutes and hours: long spans are then read from stored steps instead of every reading.
const STEPS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
const byId = (id) => document.getElementById(id);
const state = { before: null, filter: "", open: null, span: 600, sparks: new Map(), sparkRange: null, names: [], now: 0, failures: 0, drawn: "" };

function make(tag, attributes = {}, ...content) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) if (value !== false) node.setAttribute(key, value);
  node.append(...content);
  return node;
}

async function ask(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(15000) });
  const body = await answer.json();
  if (!answer.ok && answer.status !== 503) throw new Error(body.error);
  return body;
}

const whole = (n) => Math.round(n).toLocaleString("en");
const short = (n) => (n >= 1e9 ? `${(n / 1e9).toFixed(2)} G` : n >= 1e6 ? `${(n / 1e6).toFixed(2)} M` : n >= 1e5 ? `${(n / 1e3).toFixed(0)} k` : whole(n));
const bytes = (n) => (n >= 1e9 ? `${(n / 1e9).toFixed(2)} GB` : n >= 1e6 ? `${(n / 1e6).toFixed(1)} MB` : n >= 1e3 ? `${(n / 1e3).toFixed(0)} kB` : `${n} B`);
const rate = (n) => (Number.isNaN(n) ? "…" : n >= 10 || n === 0 ? whole(n) : n.toFixed(1));

function lasting(seconds) {
  if (seconds < 0) return "ahead";
  if (seconds < 1.5) return "now";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

function spoken(value) {
  if (value === null || value === undefined) return "—";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value !== "number") return value;
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) >= 1e6 || Math.abs(value) < 1e-3 ? value.toPrecision(4) : Number(value.toPrecision(5)).toLocaleString("en", { maximumFractionDigits: 4 });
}

const UNITS = { Cel: "°C", "%RH": "% RH", "/": "", degF: "°F" };
const unit = (text) => UNITS[text] ?? text;

function tile(title, value, small, note, extra) {
  const box = make("div", { class: `tile${extra?.alarm ? " alarm" : ""}` }, make("h3", {}, title), make("strong", {}, value, make("small", {}, small)));
  if (extra?.part !== undefined) {
    const bar = make("i");
    bar.style.width = `${Math.min(100, Math.max(0.5, extra.part * 100))}%`;
    box.append(make("meter-bar", {}, bar));
  }
  box.append(make("p", {}, note));
  return box;
}

function showStatus(status, ready) {
  state.now = status.now_ns;
  document.title = `${status.node} · Holdfast`;
  byId("node").textContent = status.node;
  byId("about").textContent = `Holdfast ${status.version} · up ${lasting(status.uptime_s)}${status.children.length ? ` · ${status.children.length} children` : ""}`;
  byId("incarnation").textContent = `incarnation ${status.incarnation.slice(0, 12)}`;
  const badges = [make("li", { class: ready.ready ? "good" : "bad", title: ready.reasons.join("; ") }, ready.ready ? "ready" : ready.reasons[0])];
  if (status.link) {
    const mood = { up: "good", down: "bad", refused: "bad" }[status.link.state] ?? "warn";
    badges.push(make("li", { class: mood, title: `${status.link.url} ${status.link.detail}` }, `link ${status.link.state}`));
  }
  if (status.journal.condition !== "ok") badges.push(make("li", { class: "bad" }, `journal ${status.journal.condition}`));
  byId("badges").replaceChildren(...badges);
  showTiles(status);
}

const speed = (link) => (link.goodput_bps ? `${link.goodput_bps >= 1e6 ? `${(link.goodput_bps / 1e6).toFixed(1)} Mbit/s` : `${(link.goodput_bps / 1e3).toFixed(0)} kbit/s`}` : "");

function linkNote(link) {
  if (link.detail) return link.detail;
  if (link.window_in_s > 0) return `bulk waits for its hours or budget: ${lasting(link.window_in_s)}`;
  const budget = link.budget?.day_left ?? null, pace = link.pace === "wide" ? "" : `${link.pace} · `;
  return `${pace}${bytes(link.sent_bytes)} sent to ${link.url.replace("https://", "")}${budget === null ? "" : ` · ${bytes(budget)} left today`}`;
}

const day = (ns) => new Date(ns / 1e6).toDateString();
const moment = (ns, beside) => `${day(ns) === day(beside) ? "" : `${new Date(ns / 1e6).toLocaleDateString([], { day: "numeric", month: "short" })} `}${clock(ns, true)}`;

function showGaps(gaps) {
  byId("gaps-panel").hidden = !gaps.length;
  const shown = [...gaps].sort((a, b) => b.at_ns - a.at_ns).slice(0, GONE_SHOWN);
  byId("gaps-count").textContent = gaps.length > shown.length ? `rows, latest ${shown.length} of ${whole(gaps.length)}` : "rows";
  byId("gaps").tBodies[0].replaceChildren(...shown.map((g) => {
    const of = g.from_ns ? `of ${moment(g.from_ns, state.now)} – ${moment(g.to_ns, g.from_ns)}` : "of a time not known";
    return make("tr", {},
      make("td", {}, `${LANES[g.lane]}, ${REASONS[g.reason] ?? g.reason}`, make("span", { class: "when" }, `${of}; `, `gone ${moment(g.at_ns, state.now)}`.replaceAll(" ", "\u00a0"))),
      make("td", { class: "num" }, whole(g.rows), make("span", { class: "when" }, g.bytes ? bytes(g.bytes) : "")));
  }));
}

function showTiles(status) {
  const c = status.counters, was = state.before;
  const since = was ? (status.now_ns - was.now_ns) / 1e9 : 0;
  const per = (name) => (was && since > 0 ? Math.max(0, (c[name] ?? 0) - (was.counters[name] ?? 0)) / since : NaN);
  const rows = (from) => LANES.reduce((sum, _, i) => sum + (from[`ingest_rows.lane${i}`] ?? 0), 0);
  const tiles = [];
  if (c.messages_received) tiles.push(tile("Messages", rate(per("messages_received")), "per s", `${short(c.messages_received)} received`));
  if (c.messages_received || !status.children.length) tiles.push(tile("Readings", rate(per("readings_accepted")), "per s", `${short(c.readings_accepted ?? 0)} in all`));
  if (status.children.length) {
    const now = was && since > 0 ? Math.max(0, rows(c) - rows(was.counters)) / since : NaN;
    tiles.push(tile("From children", rate(now), "rows per s", `${short(rows(c))} rows from ${status.children.join(", ")}`));
  }
  if (status.link) {
    const all = status.backlog.reduce((sum, n) => sum + n, 0);
    tiles.push(tile("Backlog", short(all), "rows", status.backlog.map((n, i) => (i < 3 || n ? `${LANES[i]} ${short(n)}`.replaceAll(" ", "\u00a0") : "")).filter(Boolean).join(" · "), { alarm: status.link.state === "down" && all > 0 }));
    tiles.push(tile("Link", status.link.state, status.link.state === "up" ? speed(status.link) : "", linkNote(status.link), { alarm: status.link.state === "down" }));
  }
  const part = status.journal.quota_bytes ? status.journal.used_bytes / status.journal.quota_bytes : undefined;
  tiles.push(tile("Journal", bytes(status.journal.used_bytes), "", part === undefined ? "no quota" : `${(part * 100).toFixed(part < 0.1 ? 1 : 0)} % of ${bytes(status.journal.quota_bytes)}${LEVELS[status.journal.level] ?? ""}`, { part, alarm: status.journal.condition !== "ok" || status.journal.level === "red" }));
  byId("tiles").replaceChildren(...tiles);
  state.before = status;
}

const SUMMARY = /\.\d+m?s\.(min|max|mean|count)$/;

function showSeries(list) {
  const full = list.total > list.series.length, all = list.series.length;
  list.series = list.series.filter((s) => s.ts !== null || !SUMMARY.test(s.metric)); // steps of the past have no present value
  const summaries = all - list.series.length;
  const body = byId("series").tBodies[0];
  state.names = list.series.slice(0, SPARKED).map((s) => s.name);
  byId("series-count").textContent = full ? `first ${whole(all)} of ${whole(list.total)}` : `${whole(list.series.length)}${summaries ? `, and ${whole(summaries)} of summaries` : ""}`;
  byId("series-empty").hidden = list.total > 0;
  byId("series-empty").textContent = list.error ?? (state.filter ? "No series matches." : "No series yet. They appear with the first readings.");
  const shape = list.series.map((s) => s.name).join("\n");
  if (shape !== state.drawn) {
    state.drawn = shape;
    body.replaceChildren(...list.series.map(row));
  }
  list.series.forEach((s, i) => fill(body.rows[i], s));
}

function row(s) {
  const here = state.before && s.node === state.before.node;
  const name = make("button", { type: "button" }, s.device, here ? "" : make("span", { class: "at" }, ` at ${s.node}`));
  const line = make("tr", {}, make("td", { class: "device" }, name, make("span", { class: "sub" }, s.metric)), make("td", {}, s.metric), make("td", { class: "spark" }), make("td", { class: "num value" }), make("td", { class: "num age" }));
  line.addEventListener("click", () => open(s.name));
  return line;
}

function fill(line, s) {
  const value = line.cells[3];
  value.className = `num value${s.quality === "bad" ? " badvalue" : s.quality === "uncertain" ? " unsure" : ""}`;
  value.title = s.quality && s.quality !== "good" ? `${s.quality}: ${(s.reason ?? "").replaceAll("_", " ")}` : "";
  value.replaceChildren(spoken(s.value), unit(s.unit) ? make("span", { class: "unit" }, unit(s.unit)) : "");
  line.cells[4].textContent = s.ts === null ? "—" : lasting((state.now - s.ts) / 1e9);
  line.classList.toggle("open", s.name === state.open);
  const spark = state.sparks.get(s.name);
  if (spark && line.spark !== spark) {
    line.spark = spark;
    line.cells[2].replaceChildren(sparkline(spark, ...state.sparkRange));
  }
}

async function loadSparks() {
  if (!state.names.length || document.hidden) return;
  const wanted = state.names.map((n) => `series=${encodeURIComponent(n)}`).join("&");
  const answer = await ask(`/api/v1/query?from=-10m&step=10s&aggregates=mean,last&${wanted}`);
  state.sparkRange = [answer.from_ns, answer.to_ns, answer.step_ns];
  state.sparks = new Map(answer.series.map((column) => [column.series, column]));
}

function showAlerts(events) {
  const items = events.map((e) => {
    const quiet = { "alert.cleared": "cleared", "alert.acknowledged": "acknowledged" }[e.kind];
    return make("li", {},
      make("span", { class: `mark ${quiet ? "cleared" : e.severity}` }, quiet || e.severity),
      make("b", {}, `${e.rule} · ${e.device}`),
      make("time", { datetime: new Date(e.ts / 1e6).toISOString(), title: new Date(e.ts / 1e6).toLocaleString() }, lasting((state.now - e.ts) / 1e9)),
      make("p", {}, e.message));
  });
  byId("alerts").replaceChildren(...(items.length ? items : [make("p", { class: "empty" }, "No alerts.")]));
}

function showLedger(ledger) {
  const mark = byId("ledger-state");
  mark.className = `badge ${ledger.balanced ? "good" : "bad"}`;
  mark.textContent = ledger.balanced ? "balances" : "does not balance";
  const line = (title, value, kind = "", wrong = false) => make("tr", { class: kind === "sum" ? "sum" : "" }, make("th", { scope: "row", class: kind === "indent" ? "indent" : "" }, title), make("td", { class: `num${wrong ? " wrong" : ""}` }, whole(value)));
  const m = ledger.messages, rows = [];
  if (m.received) {
    rows.push(line("Messages received", m.received, "sum"), line("accepted", m.accepted, "indent"), line("quarantined", m.quarantined, "indent"), line("duplicates", m.duplicates, "indent"));
    if (m.residual) rows.push(line("unexplained", m.residual, "indent", true));
  }
  const total = (name) => ledger.lanes.reduce((sum, lane) => sum + lane[name], 0);
  rows.push(line("Rows committed", ledger.rows.committed, "sum"));
  if (total("delivered") + total("pending")) rows.push(line("delivered to the parent", total("delivered"), "indent"), line("pending", total("pending"), "indent"));
  if (total("kept")) rows.push(line("kept here", total("kept"), "indent"));
  const shed = ledger.lanes.reduce((sum, lane) => sum + Object.values(lane.shed).reduce((a, b) => a + b, 0), 0);
  if (shed) rows.push(line("gone, see below", shed, "indent"));
  const residual = ledger.rows.residual || total("residual");
  rows.push(line("Unexplained", residual, "sum", residual !== 0));
  byId("ledger").tBodies[0].replaceChildren(...rows);
  showGaps(ledger.gaps ?? []);
  const rejected = Object.entries(m.rejected).sort((a, b) => b[1] - a[1]);
  byId("rejected-panel").hidden = !rejected.length;
  byId("rejected").tBodies[0].replaceChildren(...rejected.map(([reason, n]) => line(reason.replaceAll("_", " "), n)));
}

// Worst first: who is silent or refused too often, who waits to be accepted, then by name.
const WORST = (d) => (d.status === "retired" ? 5 : d.state === "silent" ? 0 : d.over_budget ? 1 : d.state === "late" ? 2 : d.held && d.status === "new" ? 3 : 4);

const MOST_DEVICES = 10;

function showDevices(list) {
  const own = list.devices.filter((d) => d.status);
  byId("devices-panel").hidden = !own.length;
  byId("devices-count").textContent = whole(list.total);
  own.sort((a, b) => WORST(a) - WORST(b));
  const rest = own.length - MOST_DEVICES + (list.total - list.devices.length);
  byId("devices").tBodies[0].replaceChildren(...own.slice(0, MOST_DEVICES).map((d) => {
    const bad = WORST(d) < 2, word = d.status === "retired" ? "retired" : d.held && d.status === "new" ? "waits" : d.state;
    const since = lasting((state.now - d.last_ns) / 1e9);
    const seen = !d.last_ns ? "never" : since === "now" || since === "ahead" ? since : `${since} ago`;
    const refused = d.day_refused ? `${(100 * d.day_refused / d.day_judged).toPrecision(2) * 1} % refused` : "";
    const isTooMuch = d.over_budget && d.state !== "silent" && d.status !== "retired"; // then that's the word, not how it is
    const facts = [isTooMuch ? word : "", d.told_ns ? "" : `${d.rate.toPrecision(2) * 1}/min`, seen, isTooMuch ? "" : refused].filter(Boolean);
    const at = (state.before && d.node === state.before.node) ? "" : make("span", { class: "at" }, ` at ${d.node}`);
    return make("tr", {}, make("th", { scope: "row" }, d.name, at, make("span", { class: "when" }, facts.join(" · "))), make("td", { class: `num${bad ? " wrong" : ""}` }, isTooMuch ? refused : word));
  }), ...(rest > 0 ? [make("tr", {}, make("th", { scope: "row", colspan: 2 }, make("span", { class: "when" }, `and ${whole(rest)} more, none worse: holdfast devices list`)))] : []));
}

const TIERS = { journal: "the journal", warm: "files", cold: "the cold store", parent: "the parent" };

function madeOf(answer) {
  const parts = answer.sources.map((s) => `${TIERS[s.tier] ?? s.tier}: ${whole(s.rows)} ${s.step ? `steps of ${lasting(s.step)}` : s.rows === 1 ? "reading" : "readings"}${s.error ? ` (readings are gone, off by ${spoken(s.error)})` : ""}${s.note ? ` (${s.note})` : ""}`);
  const gone = answer.missing.map((m) => `${whole(m.rows)} rows ${REASONS[m.reason] ?? m.reason}`);
  return `From ${parts.join(" · ") || "nothing that is stored"}${gone.length ? ` · gone: ${gone.join(", ")}` : ""}`;
}

async function drawChart() {
  const name = state.open;
  if (!name) return;
  const step = STEPS.find((s) => state.span / s <= 320) ?? STEPS.at(-1);
  const answer = await ask(`/api/v1/query?series=${encodeURIComponent(name)}&from=-${state.span}s&step=${step}s`);
  const column = answer.series.find((c) => c.series === name);
  if (name !== state.open || !column) return;
  const summary = column.count.reduce((sum, n) => sum + n, 0), bad = column.bad.reduce((sum, n) => sum + n, 0);
  const rest = `${whole(summary)} readings${bad ? `, ${whole(bad)} bad ones left out` : ""} · mean per ${lasting(step).replace("now", "1 s")}${column.min ? ", band from min to max" : ""}`;
  const readout = byId("readout"), u = unit(column.unit);
  byId("sources").textContent = madeOf(answer);
  readout.textContent = rest;
  chart(byId("chart"), column, answer.from_ns, answer.to_ns, answer.step_ns, (p) => {
    readout.textContent = p ? `${clock(p.t, true)}: mean ${spoken(p.mid)} ${u}${p.low === undefined || p.low === null ? "" : `, ${spoken(p.low)} to ${spoken(p.high)} ${u}`} (${p.count} readings)` : rest;
  });
}

function open(name) {
  state.open = name;
  history.replaceState(null, "", name ? `#${encodeURIComponent(name)}` : location.pathname);
  byId("detail").hidden = !name;
  if (!name) return;
  byId("detail-name").textContent = name.replaceAll("/", " / ");
  byId("chart").replaceChildren();
  drawChart().catch(failed);
  byId("detail").scrollIntoView({ block: "nearest", behavior: "smooth" });
}

function failed(error) {
  if (state.open) byId("readout").textContent = error.message;
}

// A plain word looks anywhere in device or metric; a text with a slash is taken as the API's own pattern.
function match() {
  if (!state.filter || state.filter.includes("/")) return `match=${encodeURIComponent(state.filter || "*")}`;
  const word = state.filter.replace(/^\*+|\*+$/g, "");
  return `match=${encodeURIComponent(`*${word}*/*`)}&match=${encodeURIComponent(`*/*${word}*`)}`;
}

async function turn() {
  if (document.hidden) return;
  try {
    const [status, ready, list, events, ledger, devices] = await Promise.all([ask("/api/v1/status"), ask("/readyz"), ask(`/api/v1/series?limit=${SHOWN}&${match()}`).catch((error) => ({ total: 0, series: [], error: error.message })), ask("/api/v1/events?limit=30"), ask("/api/v1/ledger"), ask("/api/v1/devices?limit=500")]);
    showStatus(status, ready);
    showSeries(list);
    showAlerts(events);
    showLedger(ledger);
    showDevices(devices);
    state.failures = 0;
  } catch {
    state.failures += 1;
  }
  byId("lost").hidden = state.failures < 2;
  document.body.classList.toggle("stale", state.failures >= 2);
}

async function forever(work, every) {
  for (;;) {
    try { await work(); } catch (error) { failed(error); }
    await new Promise((resume) => setTimeout(resume, every));
  }
}

function spans() {
  const buttons = SPANS.map(([title, seconds]) => {
    const button = make("button", { type: "button", "aria-pressed": String(seconds === state.span) }, title);
    button.addEventListener("click", () => {
      state.span = seconds;
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      drawChart().catch(failed);
    });
    return button;
  });
  byId("spans").replaceChildren(...buttons);
}

spans();
byId("detail-close").addEventListener("click", () => open(null));
byId("filter").addEventListener("input", (event) => { state.filter = event.target.value.trim(); turn(); });
await turn();
if (location.hash.length > 1) open(decodeURIComponent(location.hash.slice(1)));
loadSparks().then(turn).catch(failed);
forever(turn, EVERY_MS);
setTimeout(() => forever(loadSparks, SPARK_MS), SPARK_MS);
setInterval(() => drawChart().catch(failed), 10000);
