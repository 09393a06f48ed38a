// What /api/v1/rules answers: src/holdfast/web/rule_answers.py and src/holdfast/backtesting/.

/** One rule, of one of its windows (`part`). Times ns UTC, 0 = not. */
export interface RuleRow {
  rule: string;
  part: string;
  on: string;
  version: string;
  severity: "info" | "warning" | "critical";
  state: "ok" | "throttled" | "off";
  open: string[];
  cpu_us_per_reading: number;
  cpu_share: number;
  budget: number;
  state_bytes: number;
  readings: number;
  evaluations: number;
  decisions: number;
  skipped: number;
  keys: number;
  keys_refused: number;
  labels: { node: string; device: string; metric: string; threshold: number; confirmed: number; rejected: number }[];
  file: string;
  line: number;
  editable: boolean;
  enabled: boolean;
  off_by: string;
  off_ns: number;
  waits_for: string;
  summary: string;
  alerts_day: number;
  raised_ns: number;
  revision: string;
}

export interface RuleList {
  rules: RuleRow[];
  problems: string[];
  loaded_ns: number;
}

/** Pairs of what and how; what goes on with the last has no name. */
export interface RuleWords {
  rule: string;
  part: string;
  words: [string, string][];
}

export interface RuleVersion {
  n: number;
  at_ns: number;
  by: string;
  did: string;
  text: string | null;
  on: boolean;
}

export interface RuleDetail {
  name: string;
  rows: RuleRow[];
  text: string;
  versions: RuleVersion[];
  revision: string;
  words: RuleWords[];
}

export interface TextProblem {
  line: number;
  column: number;
  where: string;
  message: string;
  hint: string;
}

export interface TextChecked {
  problems: TextProblem[];
  rules: { rule: string; warnings: string[] }[];
  words: RuleWords[];
  changes: { rule: string; what: string; window_kept: boolean; alarm_kept: boolean; keys: { key: string; old: string | null; new: string | null }[] }[];
  foreign: string[];
}

export interface AlertTold {
  rule: string;
  node: string;
  device: string;
  severity: string;
  raised: number;
  cleared: number | null;
  message: string;
}

export interface Span {
  raised: number;
  cleared: number | null;
  severity: string;
}

export interface Panel {
  rule: string;
  part: string;
  node: string;
  device: string;
  alerts: number;
  ts_ms: number[];
  columns: { name: string; unit: string; last: (number | null)[]; low: (number | null)[]; high: (number | null)[] }[];
  limits: { column: number; value: number; clears: boolean }[];
  spans: Span[];
  old: Span[];
}

export interface Result {
  report: {
    from_ns: number;
    to_ns: number;
    readings: number;
    series: number;
    wall_s: number;
    rules: { rule: string; node: string; device: string; alerts: number; raised_s: number; longest_s: number }[];
    alerts: AlertTold[];
    results: Record<string, number>;
    commands: Record<string, number>;
    quiet: string[];
    unread: string[];
    notes: string[];
  };
  panels: Panel[];
  compared: boolean;
  old_alerts: number;
  gone: AlertTold[];
  new: AlertTold[];
  same: number;
  cut: boolean;
  cpu_s: number;
}

export interface Run {
  id: string;
  by: string;
  rules: string[];
  from_ns: number;
  to_ns: number;
  state: "running" | "done" | "failed" | "cancelled";
  share: number;
  readings: number;
  took_s: number;
  result: Result | null;
  error: string;
  hint: string;
}
