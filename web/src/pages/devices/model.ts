// Devices as the API tells them, and what the pages make of that.
import type { Mood } from "~/parts/basic";

/** One of GET /api/v1/devices. Times in ns UTC, 0 = never; rate: messages a minute. */
export interface Device {
  name: string;
  node: string;
  state: string;
  status: string;
  labels: string[];
  note: string;
  hardware: string;
  former: string[];
  replaced: string[];
  first_ns: number;
  last_ns: number;
  messages: number;
  readings: number;
  refused: number;
  held: number;
  repeats: number;
  bytes: number;
  rate: number;
  interval_s: number | null;
  day_judged: number;
  day_refused: number;
  over_budget: boolean;
  skew_s: number | null;
  series: number;
  told_ns: number;
}

/** A time without its messages. filled: came later; down_s: so long the node itself was down. */
export interface Gap {
  from_ns: number;
  to_ns: number;
  missing: number;
  filled: number;
  down_s: number;
}

/** A way its messages came since the node started. where: the adapter's address; source: who sent there. */
export interface Source {
  adapter: string;
  where: string;
  source: string;
  topic: string;
  heard_ns: number;
  profile: string;
}

/** A value that a profile reads: stored = payload * scale + offset; outside of low..high its quality is bad. */
export interface ProfileField {
  path: string;
  metric: string;
  unit: string;
  kind: string;
  scale: number;
  offset: number;
  decimals: number | null;
  low: number | null;
  high: number | null;
  stuck_s: number;
  missing: string[];
  optional: boolean;
}

/** What is known of a device type. total: of the fields, which may be more than are told. */
export interface Profile {
  name: string;
  version: number;
  format: string;
  topic: string;
  time: string;
  id: string;
  stale_s: number | null;
  ahead_s: number;
  unknown: string;
  total: number;
  fields: ProfileField[];
}

/** sources, profiles: empty of a device below. */
export interface Detail {
  device: Device;
  gaps: Gap[];
  series: string[];
  sources: Source[];
  profiles: Profile[];
}

/** Times in ns UTC, 0 = not (yet). */
export interface Command {
  id: string;
  node: string;
  device: string;
  name: string;
  params: unknown;
  origin: string;
  state: string;
  made_ns: number;
  deadline_ns: number;
  sent_ns: number;
  delivered_ns: number;
  ended_ns: number;
  doubt: boolean;
  detail: string;
  result: unknown;
  late: unknown;
  place: number;
}

export interface Changed {
  devices: string[];
  released: number;
  readings: number;
  still_refused: number;
  unheard: string[];
  was: string;
}

export const STATES = ["online", "late", "silent", "never"] as const;
export const stateMood = (state: string): Mood => ({ online: "good", late: "warn", silent: "bad" })[state] as Mood | undefined ?? "";
export const commandMood = (state: string): Mood =>
  (({ done: "good", failed: "bad", refused: "bad", expired: "warn", undeliverable: "bad" })[state] as Mood | undefined) ?? "info";

/** Of the last day's messages, how many were refused: 0 to 1. */
export const refusedShare = (one: Device): number => (one.day_judged ? one.day_refused / one.day_judged : 0);

/** The address of a device's page. */
export const linkTo = (one: { node: string; name: string }): string =>
  `/devices?${new URLSearchParams({ node: one.node, device: one.name }).toString()}`;

export const keyOf = (one: { node: string; name: string }): string => `${one.node}\n${one.name}`;
/** A path of the API about a device. */
export const pathOf = (name: string): string => `devices/${encodeURIComponent(name)}`;
