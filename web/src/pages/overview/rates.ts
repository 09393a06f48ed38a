// Rates of the last five minutes, from the counters that the node tells every second.
import { signal } from "@preact/signals";
import type { Status } from "~/lib/types";

export interface Rates {
  readings: number;
  messages: number;
  rejected: number;
  sent: number;
}

const KEPT = 300;
/** One a second or so; kept while other pages are shown, too. */
export const history = signal<Rates[]>([]);
let last: { at: number; incarnation: string; totals: Rates } | null = null;

function totals(status: Status): Rates {
  const count = status.counters;
  let rejected = 0;
  for (const [name, n] of Object.entries(count)) if (name.startsWith("messages_rejected.")) rejected += n;
  return {
    readings: count["readings_accepted"] ?? 0,
    messages: count["messages_received"] ?? 0,
    rejected,
    sent: status.link?.sent_bytes ?? 0,
  };
}

/** Take a status in. */
export function took(status: Status): void {
  const now = { at: status.now_ns / 1e9, incarnation: status.incarnation, totals: totals(status) };
  const before = last;
  if (before && now.at - before.at < 0.5 && now.incarnation === before.incarnation) return;
  last = now;
  if (!before || now.incarnation !== before.incarnation || now.at - before.at > 15) return;
  const seconds = now.at - before.at;
  const rate = (key: keyof Rates): number => Math.max(0, (now.totals[key] - before.totals[key]) / seconds);
  const one = { readings: rate("readings"), messages: rate("messages"), rejected: rate("rejected"), sent: rate("sent") };
  history.value = [...history.value.slice(1 - KEPT), one];
}

/** The mean of the last few, as one commit more or less a second isn't news. */
export function recent(key: keyof Rates, over = 5): number {
  const some = history.value.slice(-over);
  return some.length ? some.reduce((sum, one) => sum + one[key], 0) / some.length : NaN;
}
