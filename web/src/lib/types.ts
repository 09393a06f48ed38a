// What the API answers, as far as several pages use it. The names are those of src/holdfast/web/*answers.py.
import type { Value } from "~/lib/format";

export interface Link {
  state: string;
  url: string;
  detail: string;
  sent_bytes: number;
  received_bytes: number;
  pace: string;
  goodput_bps: number | null;
  rtt_s: number | null;
  window_in_s: number;
  budget: {
    day_bytes: number;
    month_bytes: number;
    critical_bytes: number;
    day_left: number | null;
    month_left: number | null;
    day_cost: number;
    month_cost: number;
  } | null;
}

/** GET /api/v1/status. backlog: rows by lane. */
export interface Status {
  node: string;
  version: string;
  incarnation: string;
  started_ns: number;
  now_ns: number;
  uptime_s: number;
  link: Link | null;
  backlog: number[];
  journal: { condition: string; bytes: number; quota_bytes: number; heads: number[]; level: string; used_bytes: number };
  series: number;
  children: string[];
  counters: Record<string, number>;
  brokers: { name: string; url: string; state: string; detail: string; received: number; unsettled: number }[];
  routes: { name: string; url: string; state: string; detail: string; delivered: number; lag_rows: number; lag_s: number; missed: number }[];
  rules: { rules: number; raised: number; throttled: string[]; problems: string[] } | null;
}

/** One of GET /api/v1/alerts. Times in ns UTC, 0 = not (yet). */
export interface Alert {
  id: number;
  node: string;
  device: string;
  rule: string;
  severity: string;
  state: "open" | "closed";
  message: string;
  event: string;
  raised_ns: number;
  heard_ns: number;
  cleared_ns: number;
  acknowledged_ns: number;
  acknowledged_by: string;
  comment: string;
  why: Record<string, unknown>;
  metric: string;
}

/** One of GET /api/v1/series. */
export interface Series {
  name: string;
  node: string;
  device: string;
  metric: string;
  unit: string;
  kind: string;
  ts: number | null;
  value: Value;
  quality: string | null;
  reason: string | null;
  rows: number;
}
