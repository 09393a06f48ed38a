// The charts on the page and their data: loads the past, takes what comes live, and draws once a frame at most.
import { signal } from "@preact/signals";
import { ApiError } from "~/lib/api";
import { figure } from "~/lib/format";
import { resumed, watch, type Readings } from "~/lib/live";
import { prefs } from "~/lib/prefs";
import { nodeNow } from "~/lib/time";
import type { Alert, Series } from "~/lib/types";
import { converter } from "~/lib/units";
import { about, alertsOf, marksOf, past, stepOf, RAW_MS, thresholds, type Thresholds } from "./asking";
import type { Panel } from "./panel";
import { lengthOf, shiftFor, type View } from "./state";
import { Trace, isState, type Drawn } from "./traces";

/** The chart of all series that hold until their next reading. */
const STATES = "States";
const unitsNow = (): string => `${prefs.peek().imperial} ${prefs.peek().pressure}`;
const COLOURS = 8, LEAST_RELOAD_MS = 15_000;

/** Charts are by unit: what is measured in the same goes together. states: of lanes, not lines. */
export interface Group {
  unit: string;
  states: boolean;
  drawn: Drawn[];
}

export class Board {
  readonly groups = signal<Group[]>([]);
  readonly error = signal<ApiError | null>(null);
  readonly isLoading = signal(false);
  readonly missing = signal<string[]>([]);
  /** Grows when legends have something new to say. */
  readonly told = signal(0);
  readonly panels = new Map<string, Panel>();
  private view: View = { names: [], span: "15m", fixed: null, against: "", hidden: [], scales: {} };
  private alerts: Alert[] = [];
  private rules: Thresholds = { levels: new Map(), metrics: new Map() };
  private traces = new Map<string, { now: Trace; before: Trace | null }>();
  private units = new Map<string, string>();
  private giveUp = new AbortController();
  private stops: (() => void)[] = [];
  private reload = 0;
  private frame = 0;
  private changes = 0;
  private hasNewcomer = false;
  private loadedAt = 0;
  private unitsAs = unitsNow();
  private saidAt = 0;

  constructor() {
    const tick = (): void => {
      this.frame = requestAnimationFrame(tick);
      this.draw();
    };
    this.frame = requestAnimationFrame(tick);
    void thresholds(AbortSignal.timeout(10_000)).then((found) => {
      this.rules = found;
      this.mark();
    }, () => undefined); // charts are charts without them
    this.stops.push(watch<{ changed: Alert[] }>("alerts", {}, ({ changed }) => this.changed(changed)));
    let first = true;
    this.stops.push(resumed.subscribe(() => {
      if (first) first = false;
      else void this.load(); // what came while the way was down wasn't told
    }));
  }

  close(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.reload);
    this.giveUp.abort();
    for (const stop of this.stops) stop();
    this.unwatch();
  }

  /** The time in sight, ms. */
  get range(): [number, number] {
    if (this.view.fixed) return this.view.fixed;
    const to = nodeNow();
    return [to - lengthOf(this.view.span), to];
  }

  /** Show something else. */
  show(view: View): void {
    const before = this.view;
    this.view = view;
    if (this.unitsAs !== unitsNow()) {
      this.unitsAs = unitsNow(); // points are kept as they're shown
      this.traces.clear();
      this.needLoad(0);
    }
    if (before.names.join("\n") !== view.names.join("\n")) {
      this.traces = new Map(view.names.flatMap((name) => { const known = this.traces.get(name); return known ? [[name, known] as const] : []; }));
      this.arrange();
      this.watchReadings();
      this.needLoad(0);
    } else if (String(before.fixed) !== String(view.fixed)) {
      this.needLoad(view.fixed ? 200 : 0); // while a wheel turns, only the last counts
    } else if (before.span !== view.span || before.against !== view.against) this.needLoad(0);
    if (before.hidden.join("\n") !== view.hidden.join("\n")) this.arrange();
    else if (JSON.stringify(before.scales) !== JSON.stringify(view.scales)) this.mark();
    this.changes += 1;
  }

  private stopReadings: (() => void) | null = null;

  private unwatch(): void {
    this.stopReadings?.();
    this.stopReadings = null;
  }

  private watchReadings(): void {
    this.unwatch();
    if (!this.view.names.length) return;
    this.stopReadings = watch<Readings>("readings", { series: this.view.names }, (told) => {
      if (this.view.fixed && this.view.fixed[1] < nodeNow() - 1000) return; // not in sight, and asked for again with the present
      for (const [name, piece] of Object.entries(told.series)) {
        const trace = this.traces.get(name)?.now;
        if (!trace) {
          this.hasNewcomer = true; // its first reading
          continue;
        }
        trace.append(piece.ts, piece.value, piece.quality, converter(this.units.get(name) ?? ""));
        if (!this.view.fixed) trace.trim(this.range[0] - 60_000);
      }
      this.changes += 1;
      if (this.hasNewcomer && !this.isLoading.peek() && performance.now() - this.loadedAt > 1000) void this.load();
    });
  }

  private needLoad(afterMs: number): void {
    clearTimeout(this.reload);
    this.reload = window.setTimeout(() => void this.load(), afterMs);
  }

  private async load(): Promise<void> {
    clearTimeout(this.reload);
    this.giveUp.abort();
    const giveUp = (this.giveUp = new AbortController()), { names, against, fixed } = this.view;
    const [from, to] = this.range;
    if (!names.length) return;
    this.isLoading.value = true;
    this.hasNewcomer = false;
    this.loadedAt = performance.now();
    try {
      const shift = shiftFor(against, to), ahead = fixed ? 0 : (to - from) / 10;
      const [known, now, before] = await Promise.all([
        about(names, giveUp.signal),
        past(names, from, to, giveUp.signal),
        shift ? past(names, from - shift, to - shift + ahead, giveUp.signal) : null,
      ]);
      this.take(known, now, before, shift);
      this.error.value = null;
      void this.loadAlerts(known, giveUp.signal);
    } catch (failure) {
      if (giveUp.signal.aborted) return;
      this.error.value = failure instanceof ApiError ? failure : new ApiError(0, String(failure));
    }
    this.isLoading.value = false;
    // Steps grow only when they're asked for again; readings come by themselves.
    const step = to - from > RAW_MS ? stepOf(to - from) : 0;
    if (!fixed && (step || this.view.against || this.error.value)) this.needLoad(Math.max(LEAST_RELOAD_MS, step));
  }

  private take(known: Map<string, Series>, now: Awaited<ReturnType<typeof past>>, before: Awaited<ReturnType<typeof past>> | null, shift: number): void {
    this.missing.value = this.view.names.filter((name) => !known.has(name));
    for (const [name, one] of known) {
      this.units.set(name, one.unit);
      const traces = this.traces.get(name) ?? { now: new Trace(), before: null };
      const convert = converter(one.unit);
      traces.now.replace(now.columns.get(name), now.stepMs, 0, convert);
      traces.before = before ? new Trace(traces.now) : null;
      traces.before?.replace(before?.columns.get(name), before?.stepMs ?? 0, shift, convert);
      this.traces.set(name, traces);
    }
    this.known = known;
    this.arrange();
  }

  private known = new Map<string, Series>();

  /** Groups by unit, in the order of choosing; a series keeps its colour while others come and go beside it. */
  private arrange(): void {
    const groups = new Map<string, Group>();
    for (const name of this.view.names) {
      const one = this.known.get(name), traces = this.traces.get(name);
      if (!one || !traces) continue;
      const states = isState(one.kind), unit = states ? STATES : one.unit || one.metric;
      const group = groups.get(unit) ?? { unit, states, drawn: [] };
      const place = group.drawn.length;
      group.drawn.push({
        name, node: one.node, device: one.device, metric: one.metric, unit: one.unit, kind: one.kind, colour: (place % COLOURS) + 1,
        dash: Math.floor(place / COLOURS) % 3, isHidden: this.view.hidden.includes(name), now: traces.now, before: traces.before,
      });
      groups.set(unit, group);
    }
    this.groups.value = [...groups.values()];
    this.mark();
  }

  private async loadAlerts(known: Map<string, Series>, signal: AbortSignal): Promise<void> {
    try {
      this.alerts = await alertsOf([...new Set([...known.values()].map((one) => one.device))], signal);
      this.mark();
    } catch {
      // asked again with the next load
    }
  }

  private changed(changed: Alert[]): void {
    const byId = new Map(this.alerts.map((one) => [one.id, one]));
    for (const one of changed) byId.set(one.id, one);
    this.alerts = [...byId.values()];
    this.mark();
  }

  /** Give every panel what it's to draw. */
  mark(): void {
    const [, to] = this.range;
    for (const { unit, drawn } of this.groups.value) {
      const panel = this.panels.get(unit);
      if (!panel) continue;
      panel.drawn = drawn;
      const how = this.view.scales[unit], convertScale = converter(unit);
      panel.scale = typeof how === "object" ? [convertScale(how[0]), convertScale(how[1])] : how;
      panel.marks = marksOf(this.alerts, drawn, this.rules.metrics, to + 86_400_000);
      const metrics = new Set(drawn.filter((one) => !one.isHidden).map((one) => one.metric));
      const convert = converter(drawn[0]?.unit ?? "");
      panel.levels = [...metrics].flatMap((metric) => (this.rules.levels.get(metric) ?? []).map(({ value, label }) => ({ value: convert(value), label: `${label} ${figure(convert(value))}` })));
    }
    this.changes += 1;
    this.told.value += 1;
  }

  private draw(): void {
    const [from, to] = this.range;
    let isNew = false;
    for (const panel of this.panels.values()) isNew = panel.show(from, to, this.changes) || isNew;
    const at = performance.now();
    if (isNew && at - this.saidAt > 250) {
      this.saidAt = at;
      this.told.value += 1;
    }
  }
}
