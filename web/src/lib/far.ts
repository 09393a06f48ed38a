// What moves at a site that is looked at through its hub: the hub passes questions on. Each names what was seen last, and
// the site answers once that is another one, or after 5 s that it isn't; how often it answers is the site's doing, by
// how good its link is. An older site answers at once: then it's asked again after some seconds.
import { away, follow, type Param } from "~/lib/api";
import { connection, type Topic, type Wanted } from "~/lib/live";

const EVERY_MS: Record<string, number> = { status: 5_000, last: 5_000, readings: 4_000, alerts: 8_000, devices: 8_000, logs: 6_000 };
const MOST_MATCHES = 50;

interface Column {
  series: string;
  ts: number[];
  value: unknown[];
  quality: number[];
}

/** Until an answer is asked for after one that came at once, and the least between two that are held. */
const LEAST_MS = 250, AWAY_MS = 4_000;
/** A digest that no answer has: the site answers at its pace. */
const ANY = "any";

/** Looks under way at once: a browser has six connections to a node for all its tabs, and people press buttons. */
const MOST_LOOKS = 2;
let looks = 0;
const line: (() => void)[] = [];

async function inTurn<T>(look: () => Promise<T>): Promise<T> {
  if (looks >= MOST_LOOKS) await new Promise<void>((go) => line.push(go));
  else looks += 1;
  try {
    return await look();
  } finally {
    const next = line.shift();
    if (next) next(); // it takes this one's place
    else looks -= 1;
  }
}

/** What to ask for, and what becomes of the answer. */
interface Question {
  path: string;
  params: () => Record<string, Param>;
  take: (found: never) => unknown;
  /** What is asked changes with each answer, so what was seen tells nothing. */
  moves?: boolean;
}

function question(topic: Topic, wanted: Wanted): Question {
  const series = (wanted.series ?? ["*"]).slice(0, MOST_MATCHES);
  switch (topic) {
    case "last":
      return {
        path: "last", params: () => ({ match: series, limit: wanted.limit ?? 500 }),
        take: (found: { total: number; series: { series: string }[] }) => ({ total: found.total, series: found.series.map((one) => ({ ...one, name: one.series })) }),
      };
    case "readings": {
      // In whole seconds: who looks at the same series asks the same, and the hub asks the site once.
      let since = Date.now() - 120_000;
      const told = new Map<string, number>();
      return {
        path: "query", moves: true, params: () => ({ series, from: 1000 * Math.floor(since / 1000), to: "now" }),
        take: (found: { series: Column[] }) => {
          const news: Record<string, { ts: number[]; value: unknown[]; quality: number[] }> = {};
          for (const { series: name, ts, value, quality } of found.series) {
            const last = told.get(name) ?? 0, first = ts.findIndex((one) => one > last), end = ts.at(-1);
            if (first < 0 || end === undefined) continue;
            news[name] = { ts: ts.slice(first), value: value.slice(first), quality: quality.slice(first) };
            told.set(name, end);
            since = Math.max(since, Math.floor(end / 1e6));
          }
          return { series: news, skipped: 0 };
        },
      };
    }
    case "alerts":
      return { path: "alerts", params: () => ({ state: "open", limit: 500 }), take: (found: unknown[]) => ({ changed: found }) };
    case "devices":
      return { path: "devices", params: () => ({ limit: 2_000 }), take: (found: { devices: unknown[] }) => ({ changed: found.devices }) };
    case "logs":
      return { path: "logs", params: () => ({}), take: (found: { lines: unknown[] }) => ({ lines: found.lines }) };
    default:
      return { path: topic, params: () => ({}), take: (found: unknown) => found };
  }
}

/** Ask for a topic until the returned function is called. */
export function poll<T>(topic: Topic, wanted: Wanted, take: (data: T) => void): () => void {
  const giveUp = new AbortController(), asked = question(topic, wanted);
  let timer = 0, seen = "";
  const turn = async (): Promise<void> => {
    let pause = Math.max(wanted.every_ms ?? 0, LEAST_MS);
    if (document.hidden) pause = 1_000;
    else {
      try {
        const found = await inTurn(() => follow(asked.path, asked.params(), seen, giveUp.signal));
        if (giveUp.signal.aborted) return;
        connection.value = away.value ? "connecting" : "live";
        if (found.data !== null) take(asked.take(found.data as never) as T);
        if (seen && !found.isHeld) pause = Math.max(pause, EVERY_MS[topic] ?? 5_000);
        seen = away.value ? "" : asked.moves ? ANY : found.seen;
        if (away.value) pause = AWAY_MS;
      } catch {
        connection.value = "connecting"; // the frame says that the site is away; this goes on trying
        seen = "";
        pause = AWAY_MS;
      }
    }
    if (!giveUp.signal.aborted) timer = window.setTimeout(turn, pause);
  };
  void turn();
  return () => {
    giveUp.abort();
    clearTimeout(timer);
  };
}
