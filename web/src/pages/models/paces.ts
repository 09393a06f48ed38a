// How fast models were: what the node kept, and what this page saw since; kept while other pages are shown, too.
import { nodeNow } from "~/lib/time";
import type { Pace, Row } from "./types";

const KEPT = 900;
const seen = new Map<string, Pace[]>();

/** Take in how a deployment is now. */
export function took(row: Row): void {
  const mine = seen.get(row.name) ?? [], ts = nodeNow() * 1e6, last = mine.at(-1);
  if (last && ts - last.ts < 1e9) return;
  seen.set(row.name, [...mine.slice(1 - KEPT), { ts, p50_ms: row.p50_ms, p99_ms: row.p99_ms, rows_per_s: row.rows_per_s }]);
}

/** Both, oldest first. */
export function course(deployment: string, kept: readonly Pace[]): Pace[] {
  const from = kept.at(-1)?.ts ?? 0;
  return [...kept, ...(seen.get(deployment) ?? []).filter((one) => one.ts > from)];
}
