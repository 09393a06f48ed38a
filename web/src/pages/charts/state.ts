// What a chart shows, in the address: a link shows the same to whoever opens it.
import { useCallback, useMemo } from "preact/hooks";
import { useLocation } from "wouter-preact";
// as the browser has it: see lib/place
import { useSearch } from "wouter-preact/use-browser-location";
import { wallShift } from "~/lib/time";

export const SPANS = [
  ["1m", 60_000],
  ["15m", 900_000],
  ["1h", 3_600_000],
  ["6h", 21_600_000],
  ["24h", 86_400_000],
  ["7d", 604_800_000],
  ["30d", 2_592_000_000],
] as const;
export type Span = (typeof SPANS)[number][0];
export type Against = "" | "day" | "week";
const DAYS: Record<Against, number> = { "": 0, day: 1, week: 7 };
/** How much earlier the same time of the viewer's clock was: a day has 23 or 25 hours where clocks are changed. */
export const shiftFor = (against: Against, at: number): number => (against ? wallShift(at, DAYS[against]) : 0);

/** How a chart's values are scaled: with zero, with all thresholds, or from one to another in the stored unit. */
export type Scale = "zero" | "levels" | [number, number];

/** fixed: a time that doesn't move (ms); null = the last `span` until now. hidden: of the names. scales: by a chart's unit, none = by what is in sight. */
export interface View {
  names: string[];
  span: Span;
  fixed: [number, number] | null;
  against: Against;
  hidden: string[];
  scales: Record<string, Scale>;
}

const isSpan = (text: string | null): text is Span => SPANS.some(([name]) => name === text);
export const lengthOf = (span: Span): number => SPANS.find(([name]) => name === span)?.[1] ?? 900_000;

function scalesOf(texts: readonly string[]): Record<string, Scale> {
  const found: Record<string, Scale> = {};
  for (const text of texts) {
    const at = text.lastIndexOf(":"), unit = text.slice(0, at), how = text.slice(at + 1);
    const [low, high] = how.split("..").map(Number);
    if (at < 0) continue;
    if (how === "zero" || how === "levels") found[unit] = how;
    else if (low !== undefined && high !== undefined && Number.isFinite(low) && Number.isFinite(high) && low < high) found[unit] = [low, high];
  }
  return found;
}

function read(search: string): View {
  const query = new URLSearchParams(search);
  const span = query.get("span"), from = Number(query.get("from")), to = Number(query.get("to")), against = query.get("vs");
  return {
    names: [...new Set(query.getAll("series"))].filter(Boolean),
    span: isSpan(span) ? span : "15m",
    fixed: from > 0 && to > from ? [from, to] : null,
    against: against === "day" || against === "week" ? against : "",
    hidden: query.getAll("hide"),
    scales: scalesOf(query.getAll("y")),
  };
}

function written(view: View): string {
  const query = new URLSearchParams();
  for (const name of view.names) query.append("series", name);
  if (view.fixed) {
    query.set("from", String(Math.round(view.fixed[0])));
    query.set("to", String(Math.round(view.fixed[1])));
  }
  if (view.span !== "15m") query.set("span", view.span);
  if (view.against) query.set("vs", view.against);
  for (const name of view.hidden) if (view.names.includes(name)) query.append("hide", name);
  for (const [unit, how] of Object.entries(view.scales)) query.append("y", `${unit}:${typeof how === "string" ? how : how.join("..")}`);
  return query.toString();
}

export function useView(): [View, (changes: Partial<View>) => void] {
  const search = useSearch();
  const [path, go] = useLocation();
  const view = useMemo(() => read(search), [search]);
  const change = useCallback(
    (changes: Partial<View>) => {
      const text = written({ ...read(location.search), ...changes });
      go(text ? `${path}?${text}` : path, { replace: true });
    },
    [path, go],
  );
  return [view, change];
}
