// Times as people read them, in the viewer's zone. The API tells nanoseconds since 1970 UTC.
import { signal } from "@preact/signals";
import { prefs } from "~/lib/prefs";

const behind = signal(0);
/** The node's own time in ms, moving on each second; set by its answers, so that a wrong clock here shows no wrong ages. */
export const now = signal(Date.now());

setInterval(() => {
  now.value = Date.now() + behind.peek();
}, 1000);

/** The node's own time in ms, to the millisecond. */
export const nodeNow = (): number => Date.now() + behind.peek();

/** The node told its time. */
export function nodeTold(nowNs: number): void {
  behind.value = nowNs / 1e6 - Date.now();
}

export const ms = (ns: number): number => ns / 1e6;

function format(options: Intl.DateTimeFormatOptions): (atMs: number) => string {
  const made = new Map<string, Intl.DateTimeFormat>(); // making one costs far more than using it
  return (atMs) => {
    const { zone } = prefs.value;
    let found = made.get(zone);
    if (!found) {
      found = new Intl.DateTimeFormat(undefined, { ...options, ...(zone ? { timeZone: zone } : {}) });
      made.set(zone, found);
    }
    return found.format(atMs);
  };
}

const HOURS = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
/** 14:03:22 */
export const clock = format(HOURS);
/** 3 May */
export const day = format({ day: "numeric", month: "short" });
const whole = format({ year: "numeric", month: "short", day: "numeric", ...HOURS });

const fullDay = format({ day: "numeric", month: "short", year: "numeric" });
const year = format({ year: "numeric" });

/** 14:03:22 today, else 3 May 14:03:22, of another year with that. */
export function moment(ns: number): string {
  if (!ns) return "—";
  const at = ms(ns), today = now.peek();
  if (fullDay(at) === fullDay(today)) return clock(at);
  return `${year(at) === year(today) ? day(at) : fullDay(at)} ${clock(at)}`;
}

const DAY_MS = 86_400_000;
const parts = new Map<string, Intl.DateTimeFormat>();

/** How far the viewer's clock is ahead of UTC at a time, ms. */
export function offset(atMs: number): number {
  const { zone } = prefs.value;
  let found = parts.get(zone);
  if (!found) {
    const numbers = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" } as const;
    found = new Intl.DateTimeFormat("en-US", { ...numbers, ...(zone ? { timeZone: zone } : {}) });
    parts.set(zone, found);
  }
  const of = Object.fromEntries(found.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
  const wall = Date.UTC(of["year"] ?? 0, (of["month"] ?? 1) - 1, of["day"], of["hour"], of["minute"], of["second"]);
  return wall - Math.floor(atMs / 1000) * 1000;
}

/** The viewer's zone by its name. */
export const zoneName = (): string => prefs.value.zone || Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** A time as an input has it (2026-11-22T14:03), by the viewer's clock, as ISO 8601 in UTC.
 *  Of two that read alike, when clocks go back, the first; of one that is skipped, as if they hadn't been changed yet. */
export function wallTime(text: string): string {
  const asUtc = Date.parse(`${text}Z`), before = asUtc - offset(asUtc - DAY_MS), after = asUtc - offset(asUtc + DAY_MS);
  const fits = [before, after].filter((at) => at + offset(at) === asUtc);
  return new Date(fits.length ? Math.min(...fits) : before).toISOString();
}

/** 3 May, of a day that was counted in UTC. */
export const utcDay = (atMs: number): string => new Date(atMs).toLocaleDateString(undefined, { day: "numeric", month: "short", timeZone: "UTC" });

/** A time as an input has it, by the viewer's clock. */
export const inputTime = (ns: number): string => new Date(ms(ns) + offset(ms(ns))).toISOString().slice(0, 19);

/** How much earlier than a time the viewer's clock showed the same some days before. */
export const wallShift = (atMs: number, days: number): number => days * DAY_MS + offset(atMs - days * DAY_MS) - offset(atMs);

/** 2026 May 3 14:03:22, for titles. */
export const exact = (ns: number): string => (ns ? whole(ms(ns)) : "");

/** 12 s, 5 min, 3 h, 2 d */
export function lasting(seconds: number): string {
  const s = Math.abs(seconds);
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 129600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} d`;
}

/** now, 12 s ago, in 3 min. Reads `now`: what shows it moves on by itself. */
export function ago(ns: number): string {
  if (!ns) return "never";
  const s = (now.value - ms(ns)) / 1000;
  if (Math.abs(s) < 1.5) return "now";
  return s < 0 ? `in ${lasting(s)}` : `${lasting(s)} ago`;
}
