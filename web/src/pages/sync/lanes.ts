// What the pages Sync and Storage have in common: lanes in words, and what the API says of flow and ledger.

/** Names of lanes, by number; what is in them. */
export const LANES = [
  { name: "Critical", holds: "alerts, commands" },
  { name: "Normal", holds: "summaries, messages, events" },
  { name: "Bulk", holds: "readings" },
  { name: "Region", holds: "stays in the region" },
  { name: "Site", holds: "stays at the site" },
  { name: "Kept raw", holds: "summaries of it go up" },
] as const;

export const laneName = (lane: number): string => LANES[lane]?.name ?? `Lane ${lane}`;

/** Why rows are gone, in words. */
export const REASONS: Record<string, string> = {
  disk: "no room",
  age: "too old",
  summarised: "summarised",
  damaged: "damaged on disk",
  consumed: "done with",
  forgotten: "forgotten by the parent",
};

export const reason = (word: string): string => REASONS[word] ?? word;

export interface LaneFlow {
  lane: number;
  waits: number;
  oldest_s: number;
  committed: number;
  delivered: number;
  kept: number;
  gone: Record<string, number>;
  residual: number;
  batch_rows: number;
  is_flying: boolean;
}

export interface ChildFlow {
  name: string;
  heard_ns: number;
  rows: number;
  gap_rows: number;
  unseen: number;
  suspect: boolean;
  residual: number;
}

/** GET /api/v1/flow */
export interface Flow {
  lanes: LaneFlow[];
  children: ChildFlow[];
  breaker: string;
  quiet_for_s: number;
  credits: number;
  down_s: number;
  rows_sent: number;
  batches_sent: number;
  failures: number;
  balanced: boolean;
}

export interface Gap {
  lane: number;
  first: number;
  last: number;
  rows: number;
  bytes: number;
  reason: string;
  from_ns: number;
  to_ns: number;
  at_ns: number;
}

/** GET /api/v1/ledger */
export interface Ledger {
  balanced: boolean;
  messages: { received: number; accepted: number; rejected: Record<string, number>; quarantined: number; duplicates: number; residual: number };
  rows: { readings: number; events: number; summaries: number; from_children: number; committed: number; residual: number; messages: number; made: number };
  lanes: { lane: number; committed: number; delivered: number; pending: number; kept: number; shed: Record<string, number>; late: number; residual: number }[];
  gaps: Gap[];
}

export const total = (parts: Record<string, number>): number => Object.values(parts).reduce((sum, n) => sum + n, 0);
