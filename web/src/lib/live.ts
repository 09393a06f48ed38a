// One WebSocket for everything that moves. Pages watch topics; the node sends what changed, at most four times a second.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { siteOf, url } from "~/lib/api";
import { poll } from "~/lib/far";
import { nodeTold } from "~/lib/time";

export type Topic = "status" | "last" | "readings" | "alerts" | "devices" | "events" | "logs";
/** stale: connected, but nothing has come for longer than the node is ever silent. */
export type Connection = "connecting" | "live" | "stale" | "offline";

/** What is asked of a topic: see docs/reference/http-api.md, Live. */
export interface Wanted {
  series?: readonly string[];
  match?: string;
  limit?: number;
  every_ms?: number;
}

/** Why a watch isn't one. */
export interface Trouble {
  error: string;
  hint: string;
}

/** A topic's data, as the node tells it. */
export interface Readings {
  series: Record<string, { ts: number[]; value: (number | string | boolean | null)[]; quality: number[] }>;
  skipped: number;
}

interface Watch {
  topic: Topic;
  wanted: Wanted;
  take: (data: never) => void;
  refused: ((trouble: Trouble) => void) | undefined;
}

interface Frame {
  n: number;
  now_ns: number;
  data?: Record<string, unknown>;
  errors?: Record<string, Trouble>;
}

/** How the way to the node is. */
export const connection = signal<Connection>("connecting");
/** Grows when watches begin again after a pause: what came meanwhile was not told, and is to be asked for. */
export const resumed = signal(0);

// The node beats every 10 s; a page in the background may go without for a while before it lets go.
const STALE_MS = 15_000, LOST_MS = 30_000, HIDDEN_MS = 10_000, LONGEST_MS = 15_000;
const watches = new Map<string, Watch>();
let socket: WebSocket | null = null;
let number = 0;
let failures = 0;
let heardAt = 0;
let retry = 0;
let hiding = 0;
let hasBeenLive = false;

function tell(message: object): void {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function open(): void {
  const address = new URL(url("live", {}, true), location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const mine = (socket = new WebSocket(address));
  heardAt = performance.now();
  mine.onopen = () => {
    heardAt = performance.now();
    for (const [id, { topic, wanted }] of watches) tell({ do: "watch", id, topic, ...wanted });
    if (hasBeenLive) resumed.value += 1;
  };
  mine.onmessage = (message: MessageEvent<string>) => {
    failures = 0;
    hasBeenLive = true;
    heardAt = performance.now();
    connection.value = "live";
    const frame = JSON.parse(message.data) as Frame;
    nodeTold(frame.now_ns);
    for (const [id, data] of Object.entries(frame.data ?? {})) watches.get(id)?.take(data as never);
    for (const [id, trouble] of Object.entries(frame.errors ?? {})) watches.get(id)?.refused?.(trouble);
    // Seen once it's drawn: who draws slowly gets fewer frames, not a queue of them.
    requestAnimationFrame(() => {
      if (socket === mine) tell({ do: "seen", n: frame.n });
    });
  };
  mine.onclose = () => {
    if (socket === mine) lost();
  };
}

function lost(): void {
  socket = null;
  if (document.hidden && hiding === -1) return; // let go on purpose
  connection.value = "offline";
  failures += 1;
  // With chance in it, so that a hall of screens doesn't come back in one moment.
  const wait = Math.min(LONGEST_MS, 250 * 2 ** Math.min(failures, 6)) * (0.5 + Math.random());
  clearTimeout(retry);
  retry = window.setTimeout(begin, wait);
}

function begin(): void {
  if (!socket && watches.size && !(document.hidden && hiding === -1)) open();
}

function letGo(): void {
  const old = socket;
  socket = null;
  old?.close();
}

setInterval(() => {
  if (!socket || document.hidden) return;
  const silent = performance.now() - heardAt;
  if (silent > LOST_MS) {
    letGo();
    lost();
  } else if (silent > STALE_MS && connection.value === "live") connection.value = "stale";
}, 1000);

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = window.setTimeout(() => {
      hiding = -1; // nobody looks: the node needn't work for this page
      letGo();
    }, HIDDEN_MS);
    return;
  }
  hiding = 0;
  heardAt = performance.now();
  clearTimeout(retry);
  begin();
});
addEventListener("online", () => {
  clearTimeout(retry);
  begin();
});

/** Take what changes in a topic; returns how to stop. */
export function watch<T>(topic: Topic, wanted: Wanted, take: (data: T) => void, refused?: (trouble: Trouble) => void): () => void {
  if (siteOf() !== null) return poll(topic, wanted, take); // a hub passes questions on, no streams
  const id = String(++number);
  watches.set(id, { topic, wanted, take: take as (data: never) => void, refused });
  if (socket) tell({ do: "watch", id, topic, ...wanted });
  else if (!failures) begin(); // else it's tried again anyway
  return () => {
    watches.delete(id);
    tell({ do: "unwatch", id });
  };
}

/** Watch while a component is shown; anew when what is wanted changes. */
export function useWatch<T>(topic: Topic, wanted: Wanted, take: (data: T) => void, refused?: (trouble: Trouble) => void): void {
  const key = JSON.stringify(wanted);
  useEffect(() => watch(topic, wanted, take, refused), [topic, key]);
}
