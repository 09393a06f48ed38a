// How models are spoken of: moods, times, and the bar that shows a time against its budget.
import { figure, percent } from "~/lib/format";
import type { Mood } from "~/parts/basic";
import { Badge } from "~/parts/basic";
import type { Row, Verdict } from "./types";

export const MOODS: Record<string, Mood> = { ok: "good", starting: "info", pressed: "warn", fallback: "warn", stuck: "bad", broken: "bad", off: "", waiting: "warn" };
/** What a health means, where the node says no more. */
export const HEALTH: Record<string, string> = {
  waiting: "Its model isn’t on this node yet.",
  starting: "The model is being loaded; until then its fallback answers.",
  pressed: "The model is late: batches are cut, and what is old is skipped.",
  fallback: "Something else answers for the model now.",
  stuck: "A run of the model doesn’t return; its fallback answers.",
  broken: "The model can’t be used; its fallback answers.",
};
export const DRIFT: Record<Row["drift"], [Mood, string]> = { ok: ["good", "steady"], drifting: ["bad", "drifting"], unknown: ["", "learning"] };
export const VERDICTS: Record<Verdict, Mood> = { better: "good", worse: "bad", "no difference shown": "info", "too few rows": "" };
export const HOW: Record<string, string> = { model: "the model", smaller: "the smaller model", rule: "the rule", last: "its last result", parent: "the parent’s model" };

/** 0.42 ms · 12.4 ms · 118 ms · 1.2 s */
export function millis(ms: number | null): string {
  if (ms === null) return "—";
  if (ms >= 1000) return `${figure(Math.round(ms / 10) / 100)} s`;
  return `${ms >= 100 ? Math.round(ms) : ms >= 10 ? Math.round(ms * 10) / 10 : Math.round(ms * 100) / 100} ms`;
}

export const pathOf = (deployment: string): string => `models/${encodeURIComponent(deployment)}`;
export const ofBudget = (row: Pick<Row, "p99_ms" | "budget_ms">): number => (row.p99_ms !== null && row.budget_ms ? row.p99_ms / row.budget_ms : 0);
export const budgetMood = (part: number): Mood => (part > 1 ? "bad" : part > 0.8 ? "warn" : "");

export function DriftBadge({ row }: { row: Pick<Row, "drift" | "drift_words"> }) {
  const [mood, words] = DRIFT[row.drift];
  return <Badge mood={mood} title={row.drift_words}>{words}</Badge>;
}

/** A share near all or nothing keeps the digits that count. */
export const share = (part: number): string => (part > 0.9 && part < 1 ? `${(part * 100).toFixed(2)} %` : percent(part));

/** A sentence as it begins a line. */
export const begun = (words: string): string => words.slice(0, 1).toUpperCase() + words.slice(1);

/** p50 and p99 as bars over a scale that ends beyond the budget, and a mark at the budget. */
export function Budget({ p50, p99, budget }: { p50: number | null; p99: number | null; budget: number | null }) {
  if (p99 === null) return <span class="faint">nothing scored</span>;
  const end = Math.max((budget ?? p99) * 1.25, p99 * 1.02), mood = budgetMood(budget ? p99 / budget : 0);
  const said = `99 of 100 within ${millis(p99)}, half within ${millis(p50)}${budget ? `, of a budget of ${millis(budget)}` : ""}`;
  return (
    <span class={`budget ${mood}`} role="img" aria-label={said} title={said}>
      <i class="p99" style={{ width: `${(100 * p99) / end}%` }} />
      <i class="p50" style={{ width: `${(100 * (p50 ?? 0)) / end}%` }} />
      {budget !== null && <i class="mark" style={{ left: `${(100 * budget) / end}%` }} />}
    </span>
  );
}
