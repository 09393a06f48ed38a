// What the API says of models: src/holdfast/web/model_answers.py. Times in ns UTC, 0 = not (yet); shares are 0 to 1.
export type Role = "candidate" | "shadow" | "canary" | "active" | "retired";
export type Deed = "load" | "shadow" | "canary" | "promote" | "rollback" | "retire";
export type Verdict = "better" | "worse" | "no difference shown" | "too few rows";

export interface Row {
  deployment: string;
  task: string;
  model: string;
  version: string;
  state: string;
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
  shadows: string[];
  canaries: string[];
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
  models: Row[];
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

export interface Version {
  ref: string;
  model: string;
  version: string;
  role: Role;
  since_ns: number;
  percent: number;
  state: string;
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
  mark: string;
  can: Deed[];
  asks_force: Deed[];
  caution: string;
}

export interface DriftRow {
  name: string;
  kind: "feature" | "prediction" | "quality" | "error";
  state: "ok" | "drifting" | "unknown";
  psi: number | null;
  ks: number | null;
  limit: number;
  ks_limit: number | null;
  since_ns: number;
  rows: number;
  words: string;
  device: string;
  trend: [number, number][];
  edges: number[];
  then: number[];
  now: number[];
}

export interface Difference {
  verdict: Verdict;
  words: string;
  estimate: number | null;
  low: number | null;
  high: number | null;
  n: number;
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
  failures: Difference | null;
  latency_ms: number[];
  worst: { node: string; device: string; rows: number; agreement: number }[];
  verdict: Verdict;
  words: string;
  lost: number;
  since_ns: number;
}

export interface Transition {
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

export interface Detail {
  row: Row;
  card: ModelCard | null;
  features: FeatureSet | null;
  versions: Version[];
  drift: DriftRow[];
  comparisons: Comparison[];
  history: Transition[];
  labels: { confirmed: number; rejected: number; given: number };
  devices: [string, string][];
  trend: Pace[];
  results: Result[];
  rollback: string;
}

export interface Truth {
  id: number;
  node: string;
  device: string;
  from_ns: number;
  to_ns: number;
  label: string;
  by: string;
  why: string;
  at_ns: number;
  alert: number;
}
