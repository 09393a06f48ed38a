// What charts ask a node: the past of some series, the alerts in it, and the thresholds of its rules.
import { get } from "~/lib/api";
import type { Alert, Series } from "~/lib/types";
import type { Mark } from "~/parts/Chart";
import type { Level } from "./drawing";
import type { Column, Drawn } from "./traces";

/** Up to this a time is shown as it was read; beyond, in steps with their lowest and highest. */
export const RAW_MS = 15 * 60_000;
const MOST_POINTS = 100_000, STEPS = 500;
const NICE_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800];

interface Answer {
  series: Column[];
  truncated: boolean;
}

export interface Past {
  stepMs: number;
  columns: Map<string, Column>;
}

/** The step at which a time has about five hundred. */
export function stepOf(spanMs: number): number {
  return (NICE_S.find((one) => one * 1000 * STEPS >= spanMs) ?? NICE_S.at(-1) ?? 604_800) * 1000;
}

/** The past of these series; in steps where it's long, or has too many readings. */
export async function past(names: readonly string[], from: number, to: number, signal: AbortSignal): Promise<Past> {
  const when = { series: names, from: new Date(from).toISOString(), to: new Date(to).toISOString() };
  if (to - from <= RAW_MS) {
    const found = await get<Answer>("query", { ...when, limit: MOST_POINTS }, signal);
    if (!found.truncated) return { stepMs: 0, columns: byName(found.series) };
  }
  const stepMs = stepOf(to - from);
  const aggregates = "count,bad,uncertain,min,max,mean,last";
  const found = await get<Answer>("query", { ...when, step: `${stepMs / 1000}s`, aggregates, limit: MOST_POINTS }, signal);
  return { stepMs, columns: byName(found.series) };
}

const byName = (columns: Column[]): Map<string, Column> => new Map(columns.map((one) => [one.series, one]));

/** What is known of these series; those that aren't there (yet) are left out. */
export async function about(names: readonly string[], signal: AbortSignal): Promise<Map<string, Series>> {
  if (!names.length) return new Map();
  const found = await get<{ series: Series[] }>("series", { match: names, limit: 1000 }, signal);
  return new Map(found.series.map((one) => [one.name, one]));
}

/** Alerts of these devices, newest first. */
export async function alertsOf(devices: readonly string[], signal: AbortSignal): Promise<Alert[]> {
  const found = await Promise.all(devices.slice(0, 20).map((device) => get<Alert[]>("alerts", { state: "all", device, limit: 200 }, signal)));
  return found.flat();
}

const MOOD: Record<string, Mark["mood"]> = { critical: "bad", warning: "warn" };

/** What to mark on a chart of some series: a rule says which metric an alert is about, or else all of its device's. */
export function marksOf(alerts: readonly Alert[], drawn: readonly Drawn[], metrics: ReadonlyMap<string, ReadonlySet<string>>, until: number): Mark[] {
  const found: Mark[] = [];
  for (const one of alerts) {
    const of = one.metric ? new Set([one.metric]) : metrics.get(one.rule);
    const isHere = drawn.some((line) => line.device === one.device && line.node === one.node && !line.isHidden && (!of || of.has(line.metric)));
    if (!isHere) continue;
    const to = one.cleared_ns ? one.cleared_ns / 1e6 : until;
    found.push({ from: one.raised_ns / 1e6, to, mood: MOOD[one.severity] ?? "info", label: one.message });
  }
  return found;
}

interface Rules {
  rules: { rule: string; text: { select?: string; when?: string } }[];
}

export interface Thresholds {
  /** By metric. */
  levels: Map<string, Level[]>;
  /** By rule: the metrics it reads. */
  metrics: Map<string, Set<string>>;
}

/** Thresholds as rules' texts have them: `avg(temp) as mean` and `mean > 21.5`, or `temp > 21.5`. */
export async function thresholds(signal: AbortSignal): Promise<Thresholds> {
  const levels = new Map<string, Level[]>(), metrics = new Map<string, Set<string>>();
  for (const { rule, text } of (await get<Rules>("rules", {}, signal)).rules) {
    const names = new Map<string, string>(), read = new Set<string>();
    for (const [, metric = "", name = ""] of (text.select ?? "").matchAll(/\b(?:avg|min|max|last|first|median)?\(?([\w.]+)\)?\s+as\s+(\w+)/gi)) {
      names.set(name, metric);
      read.add(metric);
    }
    for (const [, name = "", sign = "", value = ""] of (text.when ?? "").matchAll(/([A-Za-z_][\w.]*)\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)/g)) {
      const metric = names.get(name) ?? (name.includes(".") || !names.size ? name : "");
      if (!metric) continue;
      read.add(metric);
      levels.set(metric, [...(levels.get(metric) ?? []), { value: Number(value), label: `${rule} ${sign}` }]);
    }
    if (read.size) metrics.set(rule, read);
  }
  return { levels, metrics };
}
