// What POST /api/v1/analytics answers (src/holdfast/web/analytics.py), and what can be drawn of it.

export type Cell = number | string | boolean | null;

export interface Column {
  name: string;
  kind: "text" | "number" | "time" | "boolean";
  unit: string;
}

export interface Answer {
  engine: string;
  columns: Column[];
  rows: Cell[][];
  total: number;
  truncated: boolean;
  took_s: number;
  notes: string[];
  sources: { tier: string; rows: number; note?: string }[];
}

export interface About {
  sql: boolean;
  most_rows: number;
  seconds: number;
  tables: Record<string, string[]>;
}

/** One thing over time, or one bar. */
export interface Drawn {
  name: string;
  unit: string;
  points: [number, number | null][];
}

export interface Picture {
  /** Column numbers: what is drawn, along what, and what tells the lines apart. */
  value: number;
  time: number;
  labels: number[];
  things: Drawn[];
}

const COUNTS = new Set(["readings", "series", "unit"]);

/** How an answer is drawn: the first number, along its first time, told apart by its texts. null = not at all. */
export function pictured({ columns, rows }: Answer, keys: number): Picture | null {
  const value = columns.findIndex((column, i) => column.kind === "number" && i >= keys && !COUNTS.has(column.name));
  if (value < 0 || !rows.length) return null;
  const time = columns.findIndex((column) => column.kind === "time");
  const unitColumn = columns.findIndex((column) => column.name === "unit" && column.kind === "text");
  const labels = columns.flatMap((column, i) => (i !== value && i !== time && i !== unitColumn && (column.kind === "text" || i < keys) ? [i] : []));
  if (time < 0 && !labels.length) return null;
  const things = new Map<string, Drawn>();
  rows.forEach((row, place) => {
    const unit = unitColumn < 0 ? (columns[value]?.unit ?? "") : String(row[unitColumn] ?? "");
    const name = labels.map((i) => String(row[i] ?? "—")).join(" · ");
    const key = time < 0 ? String(place) : `${name} ${unit}`;
    const found = things.get(key) ?? { name: name || (columns[value]?.name ?? ""), unit, points: [] };
    const at = row[time], y = row[value];
    found.points.push([typeof at === "number" ? at / 1e6 : place, typeof y === "number" ? y : null]);
    things.set(key, found);
  });
  for (const one of things.values()) one.points.sort((a, b) => a[0] - b[0]);
  return { value, time, labels, things: [...things.values()] };
}

/** As RFC 4180 has it; times as ISO 8601. A cell that a spreadsheet would take for a formula is made text. */
export function csv({ columns, rows }: Answer): string {
  const cell = (one: Cell, column: Column): string => {
    if (one === null) return "";
    if (column.kind === "time" && typeof one === "number") return new Date(one / 1e6).toISOString();
    if (typeof one !== "string") return String(one);
    const text = /^[=+\-@\t\r]/.test(one) ? `'${one}` : one;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const head = columns.map((column) => cell(column.unit ? `${column.name} (${column.unit})` : column.name, column)).join(",");
  return [head, ...rows.map((row) => row.map((one, i) => cell(one, columns[i] ?? { name: "", kind: "text", unit: "" })).join(","))].join("\r\n");
}
