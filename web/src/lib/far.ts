// What moves at a site that is looked at through its hub: the hub passes questions on, so these ask again and again.
// The site says how often it may be asked (`parent.questions.looks`); each look costs its link.
import { away, get } from "~/lib/api";
import { connection, type Topic, type Wanted } from "~/lib/live";

const EVERY_MS: Record<string, number> = { status: 5_000, last: 5_000, readings: 4_000, alerts: 8_000, devices: 8_000, logs: 6_000 };
const MOST_MATCHES = 50;

interface Column {
  series: string;
  ts: number[];
  value: unknown[];
  quality: number[];
}

/** Ask for a topic until the returned function is called. */
export function poll<T>(topic: Topic, wanted: Wanted, take: (data: T) => void): () => void {
  const giveUp = new AbortController();
  let timer = 0;
  let since = Date.now() - 120_000;
  const series = (wanted.series ?? ["*"]).slice(0, MOST_MATCHES);
  const ask = async (): Promise<unknown> => {
    switch (topic) {
      case "last": {
        const found = await get<{ total: number; series: { series: string }[] }>("last", { match: series, limit: wanted.limit ?? 500 }, giveUp.signal);
        return { total: found.total, series: found.series.map((one) => ({ ...one, name: one.series })) };
      }
      case "readings": {
        const found = await get<{ series: Column[] }>("query", { series, from: since, to: "now" }, giveUp.signal);
        const news = found.series.filter((column) => column.ts.length);
        since = news.reduce((newest, column) => Math.max(newest, Math.floor((column.ts.at(-1) ?? 0) / 1e6) + 1), since);
        return { series: Object.fromEntries(news.map(({ series: name, ts, value, quality }) => [name, { ts, value, quality }])), skipped: 0 };
      }
      case "alerts":
        return { changed: await get("alerts", { state: "open", limit: 500 }, giveUp.signal) };
      case "devices":
        return { changed: (await get<{ devices: unknown[] }>("devices", { limit: 2_000 }, giveUp.signal)).devices };
      case "logs":
        return { lines: (await get<{ lines: unknown[] }>("logs", {}, giveUp.signal)).lines };
      default:
        return get(topic, {}, giveUp.signal);
    }
  };
  const turn = async (): Promise<void> => {
    if (!document.hidden) {
      try {
        const found = await ask();
        if (!giveUp.signal.aborted) {
          connection.value = away.value ? "connecting" : "live";
          take(found as T);
        }
      } catch {
        connection.value = "connecting"; // the frame says that the site is away; this goes on trying
      }
    }
    if (!giveUp.signal.aborted) timer = window.setTimeout(turn, Math.max(wanted.every_ms ?? 0, EVERY_MS[topic] ?? 5_000));
  };
  void turn();
  return () => {
    giveUp.abort();
    clearTimeout(timer);
  };
}
