// What the API says of models: src/holdfast/web/model_answers.py over src/holdfast/inference/lifecycle/status.py.
// Times in ns UTC, 0 = not (yet); shares are 0 to 1, percents 0 to 100.
export type Role = "candidate" | "shadow" | "canary" | "active" | "retired";
export type Do = "shadow" | "canary" | "promote" | "retire";
export type Deed = Do | "load" | "rollback" | "relearn";
export type Verdict = "better" | "worse" | "no difference shown" | "too few rows";

export interface Row {
  name: string;
  active: string;
  fallen: boolean;
  shadows: string[];
  canaries: Record<string, number>;
  alarms: number;
  labelled: number;
  task: string;
  health: string;
  words: string;
  budget_ms: number | null;
  p50_ms: number | null;
  p99_ms: number | null;
  rows_per_s: number;
  devices: number;
  fallback_share: number;
  drift: "ok" | "drifting" | "unknown";
  drift_words: string;
  rule: string;
  open_alerts: number;
}

export interface Cache {
  used_bytes: number;
  allowed_bytes: number;
  hits: number;
  misses: number;
  evictions: number;
  loaded: { ref: string; bytes: number; pinned: boolean; used_ns: number }[];
}

export interface ModelList {
  deployments: Row[];
  cache: Cache | null;
}

export interface ModelCard {
  ref: string;
  description: string;
  task: string;
  runtime: string;
  provider: string;
  inputs: string;
  labels: string[];
  threshold: number | null;
  metrics: Record<string, unknown>;
  trained: Record<string, unknown>;
  licence: string;
  digest: string;
  bytes: number;
  memory_bytes: number;
}

export interface FeatureSet {
  name: string;
  source: string;
  window: string;
  missing: string;
  quality: string;
  features: { name: string; text: string; width: number }[];
}

/** A version's life, with how it runs and what may be done with it. */
export interface Version extends Running, Offer {
  ref: string;
  state: Role;
  since_ns: number;
  share: number;
  shadowed: boolean;
  mark: string;
}

export interface Running {
  health: string;
  p50_ms: number | null;
  p99_ms: number | null;
  rows_per_s: number;
  scored: number;
  skipped: number;
  errors: number;
  last_error: string;
  last_error_ns: number;
  batch: number;
  queue: number;
  fallbacks: Record<string, number>;
  bytes: number;
}

export interface Offer {
  can: Do[];
  asks_force: Do[];
  caution: string;
}

/** spark: PSI by window, oldest first, null = not judged. */
export interface Column {
  name: string;
  kind: "input" | "prediction";
  phase: "laying bins" | "learning" | "watching" | "settled";
  psi: number | null;
  psi_limit: number | null;
  ks: number | null;
  ks_limit: number | null;
  psi_short: number | null;
  ks_short: number | null;
  alarmed: boolean;
  spark: (number | null)[];
  devices: number;
  worst: string;
}

export interface Drift {
  columns: Column[];
  devices: number;
  unwatched: number;
  late: number;
  rows: number;
  bad: number;
  filled: number;
  uncertain: number;
  labelled: number;
  error: number | null;
  error_usual: number | null;
  error_alarmed: boolean;
  bytes: number;
  window_s: number;
  season_s: number;
}

/** Inner edges; one more share than edges. */
export interface Shape {
  edges: number[];
  then: number[];
  now: number[];
}

/** An alarm about a deployment, one of its devices or features. */
export interface Finding {
  kind: string;
  version: string;
  node: string;
  device: string;
  feature: string;
  statistic: string;
  value: number;
  limit: number;
  since_ns: number;
  at_ns: number;
  message: string;
}

export interface Difference {
  verdict: Verdict;
  difference: number;
  low: number | null;
  high: number | null;
  n: number;
  p: number | null;
  test: string;
  words: string;
}

export interface Comparison {
  version: string;
  against: string;
  rows: number;
  agreement: number | null;
  labels: string[];
  confusion: number[][];
  quantiles: [number, number][];
  labelled: number;
  error_new: number | null;
  error_old: number | null;
  error: Difference | null;
  failures: Difference;
  latency_ms: number[];
  worst: { node: string; device: string; rows: number; agreement: number }[];
  verdict: Verdict;
  words: string;
  lost: number;
}

/** One version that acts, over the devices that it acts for. */
export interface Arm {
  version: string;
  rows: number;
  devices: number;
  failed: number;
  labelled: number;
  error: number | null;
  latency_ms: number[];
  against_error: Difference | null;
  against_failed: Difference | null;
}

export interface Act {
  at_ns: number;
  by: string;
  do: string;
  version: string;
  before: string;
  after: string;
  percent: number;
  why: string;
  forced: boolean;
}

export interface Result {
  node: string;
  device: string;
  ts: number;
  score: number | null;
  label: string;
  confidence: number | null;
  how: string;
  version: string;
  ms: number | null;
}

export interface Pace {
  ts: number;
  p50_ms: number | null;
  p99_ms: number | null;
  rows_per_s: number;
}

export interface Pictures {
  state: "ok" | "resting" | "folder_unusable" | "no_model";
  taken: number;
  refused: number;
  unanswered: number;
  waiting: number;
  waiting_bytes: number;
  last_error: string;
}

export interface Detail {
  name: string;
  active: string;
  fallen: boolean;
  hold_ns: number;
  versions: Omit<Version, keyof Running | keyof Offer>[];
  alarms: Finding[];
  history: Act[];
  drift: Drift;
  comparisons: Comparison[];
  split: Arm[];
  classes: string[];
  row: Row;
  card: ModelCard | null;
  features: FeatureSet | null;
  running: Record<string, Running>;
  offers: Record<string, Offer>;
  shapes: Record<string, Shape>;
  labels: { confirmed: number; rejected: number; given: number };
  devices: [string, string][];
  trend: Pace[];
  results: Result[];
  former: string;
  pictures?: Pictures | null;
}

export interface Label {
  id: number;
  node: string;
  device: string;
  start_ns: number;
  end_ns: number;
  label: string;
  by: string;
  source: string;
  comment: string;
  alert: number;
}

const IDLE: Running = { health: "off", p50_ms: null, p99_ms: null, rows_per_s: 0, scored: 0, skipped: 0, errors: 0, last_error: "", last_error_ns: 0, batch: 0, queue: 0, fallbacks: {}, bytes: 0 };
const NOTHING: Offer = { can: [], asks_force: [], caution: "" };

/** Each version with all that is known of it. */
export const versionsOf = (detail: Detail): Version[] =>
  detail.versions.map((one) => ({ ...one, ...(detail.running[one.ref] ?? IDLE), ...(detail.offers[one.ref] ?? NOTHING) }));

/** pump-anomaly@2.0.0 as its two parts. */
export function parts(ref: string): [model: string, version: string] {
  const at = ref.lastIndexOf("@");
  return at < 0 ? [ref, ""] : [ref.slice(0, at), ref.slice(at + 1)];
}
