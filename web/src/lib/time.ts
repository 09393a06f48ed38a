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

/** 14:03:22 today, else 3 May 14:03:22. */
export function moment(ns: number): string {
  if (!ns) return "—";
  const at = ms(ns);
  return day(at) === day(now.peek()) ? clock(at) : `${day(at)} ${clock(at)}`;
}

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
