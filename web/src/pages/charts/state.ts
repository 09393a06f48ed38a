// What a chart shows, in the address: a link shows the same to whoever opens it.
import { useCallback, useMemo } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";

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
export const SHIFT: Record<Against, number> = { "": 0, day: 86_400_000, week: 604_800_000 };

/** fixed: a time that doesn't move (ms); null = the last `span` until now. hidden: of the names. */
export interface View {
  names: string[];
  span: Span;
  fixed: [number, number] | null;
  against: Against;
  hidden: string[];
}

const isSpan = (text: string | null): text is Span => SPANS.some(([name]) => name === text);
export const lengthOf = (span: Span): number => SPANS.find(([name]) => name === span)?.[1] ?? 900_000;

function read(search: string): View {
  const query = new URLSearchParams(search);
  const span = query.get("span"), from = Number(query.get("from")), to = Number(query.get("to")), against = query.get("vs");
  return {
    names: [...new Set(query.getAll("series"))].filter(Boolean),
    span: isSpan(span) ? span : "15m",
    fixed: from > 0 && to > from ? [from, to] : null,
    against: against === "day" || against === "week" ? against : "",
    hidden: query.getAll("hide"),
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
