// One WebSocket for everything that moves. Pages watch topics; the node sends what changed, at most four times a second.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { siteOf, url } from "~/lib/api";
import { poll } from "~/lib/far";
import { nodeTold } from "~/lib/time";

export type Topic = "status" | "last" | "readings" | "alerts" | "devices" | "logs";
export type Connection = "connecting" | "live" | "offline";

/** What is asked of a topic: see docs/reference/http-api.md, live. */
export interface Wanted {
  series?: readonly string[];
  limit?: number;
  every_ms?: number;
}

interface Watch {
  topic: Topic;
  wanted: Wanted;
  take: (data: never) => void;
}

interface Frame {
  n: number;
  now_ns: number;
  data?: Record<string, unknown>;
  errors?: Record<string, { error: string; hint: string }>;
}

/** How the way to the node is. */
export const connection = signal<Connection>("connecting");

const watches = new Map<string, Watch>();
let socket: WebSocket | null = null;
let number = 0;
let failures = 0;

function tell(message: object): void {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function open(): void {
  const address = new URL(url("live", {}, true), location.href);
  address.protocol = address.protocol.replace("http", "ws");
  socket = new WebSocket(address);
  socket.onopen = () => {
    failures = 0;
    connection.value = "live";
    for (const [id, { topic, wanted }] of watches) tell({ do: "watch", id, topic, ...wanted });
  };
  socket.onmessage = (message: MessageEvent<string>) => {
    const frame = JSON.parse(message.data) as Frame;
    nodeTold(frame.now_ns);
    for (const [id, data] of Object.entries(frame.data ?? {})) watches.get(id)?.take(data as never);
    tell({ do: "seen", n: frame.n });
  };
  socket.onclose = () => {
    socket = null;
    connection.value = "offline";
    failures += 1;
    // Decorrelated, so that a hall of screens doesn't come back in one moment.
    if (watches.size) setTimeout(begin, Math.min(15_000, 500 * 2 ** Math.min(failures, 5)) * (0.5 + Math.random()));
  };
}

function begin(): void {
  if (!socket && watches.size) open();
}

/** Take what changes in a topic; returns how to stop. */
export function watch<T>(topic: Topic, wanted: Wanted, take: (data: T) => void): () => void {
  if (siteOf() !== null) return poll(topic, wanted, take); // a hub passes questions on, no streams
  const id = String(++number);
  watches.set(id, { topic, wanted, take: take as (data: never) => void });
  if (socket) tell({ do: "watch", id, topic, ...wanted });
  else begin();
  return () => {
    watches.delete(id);
    tell({ do: "unwatch", id });
  };
}

/** Watch while a component is shown; anew when what is wanted changes. */
export function useWatch<T>(topic: Topic, wanted: Wanted, take: (data: T) => void): void {
  const key = JSON.stringify(wanted);
  useEffect(() => watch(topic, wanted, take), [topic, key]);
}
