// How a rule is, as a badge, and why.
import { percent, short } from "~/lib/format";
import { exact } from "~/lib/time";
import { Badge } from "~/parts/basic";
import type { RuleRow } from "./types";

export function State({ row }: { row: RuleRow }) {
  if (row.state === "off") {
    const why = row.off_ns ? `switched off by ${row.off_by}, ${exact(row.off_ns)}` : `off with ${row.waits_for}, which it reads from`;
    return <Badge title={why}>off</Badge>;
  }
  if (row.state === "throttled") return <Badge mood="warn" title={whyThrottled(row)}>throttled</Badge>;
  if (row.open.length) return <Badge mood="bad">alerting</Badge>;
  return <Badge mood="good">quiet</Badge>;
}

export function whyThrottled(row: RuleRow): string {
  if (row.state === "throttled" || row.skipped) {
    return `It needs more than its ${percent(row.budget)} of a core and has missed ${short(row.skipped)} readings: narrow its window or its “from”, or raise its budget (limits: {cpu}).`;
  }
  return row.keys_refused ? `It refuses ${short(row.keys_refused)} devices beyond its limit (limits: {keys}).` : "";
}
