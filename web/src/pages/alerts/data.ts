// What the alerts' pages read from the node, and how it's put together.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useLoad } from "~/lib/load";
import { connection, useWatch } from "~/lib/live";
import type { Alert as Base } from "~/lib/types";
import type { Mood } from "~/parts/basic";

/** maintenance: number of the works during which it was raised; comments: how many; below: of what was sent to its site. */
export type Alert = Base & { maintenance?: number; comments?: number; below?: string };

export interface Threshold {
  text: string;
  value: number;
  above: boolean;
  series: string;
}

/** GET /api/v1/alerts/{id} */
export interface AlertDetail extends Alert {
  around: { series: string[]; from_ns: number; to_ns: number; thresholds: Threshold[] };
  rule_text: Record<string, unknown> | null;
  cleared_why: Record<string, unknown> | null;
  label: "" | "confirmed" | "rejected";
  label_by: string;
  unable?: string;
  next_steps: { escalation: string; step: number; due_ns: number }[];
}

/** GET /api/v1/alerts/{id}/timeline */
export interface StoryLine {
  at_ns: number;
  kind: string;
  who: string;
  detail: string;
}

export interface Match {
  severity?: string[];
  rules?: string[];
  nodes?: string[];
  devices?: string[];
  labels?: string[];
}

export interface Silence {
  id: number;
  match: Match;
  by: string;
  why: string;
  made_ns: number;
  until_ns: number;
  gone_ns: number;
}

export interface Hours {
  days?: string[];
  from?: string;
  to?: string;
  zone?: string;
}

export interface Works {
  id: number;
  name: string;
  match: Match;
  hours: Hours | null;
  from_ns: number;
  to_ns: number;
  by: string;
  why: string;
  state: "now" | "planned" | "over";
  next_from_ns: number;
  next_to_ns: number;
}

export interface Channel {
  name: string;
  kind: string;
  where: string;
  state: string;
  detail: string;
  waiting: number;
  held: number;
  oldest_ns: number;
  told: number;
  given_up: number;
  dropped: number;
  last_told_ns: number;
  rests_until_ns?: number;
  instead?: string;
}

/** Names in people's order: press-9 before press-10. One for all: making one costs more than a hundred comparisons. */
export const byName = new Intl.Collator(undefined, { numeric: true }).compare;

export const RANK: Record<string, number> = { critical: 0, warning: 1, info: 2 };
export const moodOf = (severity: string): Mood => (severity === "critical" ? "bad" : severity === "warning" ? "warn" : "info");

/** Which works or silences mean, in words. */
export function meant(match: Match): string {
  const said = (
    [
      ["severity", match.severity],
      ["rule", match.rules],
      ["node", match.nodes],
      ["device", match.devices],
      ["label", match.labels],
    ] as const
  ).flatMap(([word, names]) => (names?.length ? [`${word} ${names.join(", ")}`] : []));
  return said.join("; ") || "every alert";
}

export function hoursOf(hours: Hours): string {
  return `${hours.days?.join(", ") || "every day"} ${hours.from ?? "00:00"} to ${hours.to ?? "24:00"} ${hours.zone ?? "UTC"}`;
}

/** What filters leave; text: words that all must be somewhere in it. */
export interface Filters {
  state: string;
  severity: string;
  device: string;
  rule: string;
  node: string;
  text: string;
}

export function fits(filters: Filters): (one: Alert) => boolean {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  return (one) => {
    if (filters.state === "open" && one.state !== "open") return false;
    if (filters.state === "new" && (one.state !== "open" || one.acknowledged_ns)) return false;
    if (filters.state === "over" && one.state === "open") return false;
    if (filters.severity && one.severity !== filters.severity) return false;
    if (filters.device && one.device !== filters.device) return false;
    if (filters.rule && one.rule !== filters.rule) return false;
    if (filters.node && one.node !== filters.node) return false;
    if (!words.length) return true;
    const all = `${one.message} ${one.device} ${one.rule} ${one.node} ${one.metric} ${one.acknowledged_by} #${one.id}`.toLowerCase();
    return words.every((word) => all.includes(word));
  };
}

/** Open ones first, the severe before the rest, the newest first. */
export function ordered(alerts: readonly Alert[]): Alert[] {
  const key = (one: Alert): number => (one.state === "open" ? (one.acknowledged_ns ? 1 : 0) : 2);
  return [...alerts].sort(
    (a, b) =>
      key(a) - key(b) ||
      (a.state === "open" ? (RANK[a.severity] ?? 3) - (RANK[b.severity] ?? 3) : 0) ||
      b.raised_ns - a.raised_ns ||
      b.id - a.id,
  );
}

const MOST_OPEN = 1000, MOST_OVER = 500;

/** All that are open, and the latest of those that are over; told of changes at once where the node tells. */
export function useAlerts() {
  const isLive = connection.value === "live";
  const every = isLive ? 60_000 : 5_000;
  const open = useLoad<Alert[]>("alerts", { limit: MOST_OPEN }, every);
  const over = useLoad<Alert[]>("alerts", { state: "closed", limit: MOST_OVER }, every);
  const [changed, setChanged] = useState<ReadonlyMap<number, Alert>>(new Map());
  const known = useRef(changed);
  known.current = changed;
  useWatch<{ changed: Alert[] }>("alerts", {}, (told) => {
    const next = new Map(known.current);
    for (const one of told.changed) next.set(one.id, one);
    known.current = next;
    setChanged(next);
  });
  // What was asked for anew is newer than what was told before.
  useEffect(() => {
    if (open.data && over.data) setChanged(new Map());
  }, [open.data, over.data]);
  const alerts = useMemo(() => {
    const all = new Map<number, Alert>();
    for (const one of over.data ?? []) all.set(one.id, one);
    for (const one of open.data ?? []) all.set(one.id, one);
    for (const one of changed.values()) all.set(one.id, { ...all.get(one.id), ...one });
    return ordered([...all.values()]);
  }, [open.data, over.data, changed]);
  const reload = (): void => {
    open.reload();
    over.reload();
  };
  return { alerts, error: open.error ?? over.error, isLoading: !open.data, reload };
}
