// The nodes below this one, as GET /api/v1/sites tells of them (src/holdfast/web/site_answers.py).
import type { Mood } from "~/parts/basic";

export interface SiteRow {
  node: string;
  via: string[];
  site: string;
  latitude: number | null;
  longitude: number | null;
  zone: string;
  note: string;
  version: string;
  started_ns: number;
  state: string;
  heard_ns: number;
  told_ns: number;
  reachable: boolean;
  looks: boolean;
  lag: { lane: number; rows: number; seconds: number }[];
  pace: string;
  kbps: number;
  clock: string;
  level: string;
  condition: string;
  disk_percent: number;
  rate: number;
  trouble: string[];
  alerts: Record<string, number>;
  devices: Record<string, number>;
  acts?: boolean;
}

export interface SiteList {
  now_ns: number;
  total: number;
  here: SiteRow;
  sites: SiteRow[];
}

/** How a site is, worst of what is known of it. */
export function mood(row: SiteRow): Mood {
  if (row.state === "silent" || row.alerts["critical"] || row.level === "red" || row.condition === "poisoned") return "bad";
  if (row.state !== "online" || row.alerts["warning"] || row.trouble.length) return "warn";
  return "good";
}

export const stateMood = (state: string): Mood =>
  ({ online: "good", late: "warn", silent: "bad" } as Record<string, Mood>)[state] ?? "";

export const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((all, n) => all + n, 0);
export const waiting = (row: SiteRow): number => row.lag.reduce((all, lane) => all + lane.rows, 0);
export const oldest = (row: SiteRow): number => row.lag.reduce((all, lane) => Math.max(all, lane.seconds), 0);
export const href = (row: SiteRow): string => `/sites/${encodeURIComponent(row.node)}/`;
export const LANES = ["critical", "normal", "bulk"] as const;
