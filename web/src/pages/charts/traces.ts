// A series' points in typed arrays, as charts draw them. Times are ms since 1970 UTC, ascending.

/** Qualities as the API's byte has them, in its low two bits. */
export const UNCERTAIN = 1, BAD = 2;
const SPARE = 256;

/** Of the past: one a point, or one a step. */
export interface Column {
  series: string;
  unit: string;
  kind: string;
  ts: number[];
  value?: (number | string | boolean | null)[];
  quality?: number[];
  count?: number[];
  uncertain?: number[];
  bad?: number[];
  min?: (number | null)[];
  max?: (number | null)[];
  mean?: (number | null)[];
  last?: (number | string | boolean | null)[];
}

const MOST_WORDS = 500;

/** Holds until the next reading, as a switch or a word does; a line between two of them would be made up. */
export const isState = (kind: string): boolean => kind === "bool" || kind === "text";

/** Points; low and high: of a step, the same as the value where there's no step. NaN: there's no number. */
export class Trace {
  ts = new Float64Array(SPARE);
  value = new Float64Array(SPARE);
  low = new Float64Array(SPARE);
  high = new Float64Array(SPARE);
  quality = new Uint8Array(SPARE);
  length = 0;
  /** Grows with every change. */
  version = 0;
  /** A longer pause than this (ms) is a gap. */
  gapMs = Infinity;
  /** What the values of a text series stand for. */
  readonly words: string[];
  private readonly places: Map<string, number>;

  /** like: its words stand for the same values here. */
  constructor(like?: Trace) {
    this.words = like?.words ?? [];
    this.places = like?.places ?? new Map<string, number>();
  }

  private number(value: unknown): number {
    if (typeof value === "number") return value;
    if (typeof value === "boolean") return Number(value);
    return typeof value === "string" ? this.place(value) : NaN;
  }

  private place(word: string): number {
    let place = this.places.get(word);
    if (place === undefined) {
      place = Math.min(this.words.length, MOST_WORDS);
      if (place < MOST_WORDS) this.places.set(word, place);
      this.words[place] = place < MOST_WORDS ? word : "(more than can be told apart)";
    }
    return place;
  }

  /** Take the past in place of all there is, and then what was appended since. */
  replace(column: Column | undefined, stepMs: number, shiftMs: number, convert: (value: number) => number): void {
    const tail = this.copyAfter(column?.ts.length ? (column.ts.at(-1) ?? 0) / 1e6 + shiftMs + stepMs / 2 : -Infinity);
    this.length = 0;
    const n = column?.ts.length ?? 0;
    this.room(n + tail.length);
    for (let i = 0; i < n && column; i++) {
      const at = (column.ts[i] ?? 0) / 1e6 + shiftMs;
      if (column.value) {
        const value = convert(this.number(column.value[i]));
        this.put(at, value, value, value, column.quality?.[i] ?? 0);
      } else {
        const quality = column.count?.[i] ? (column.uncertain?.[i] ? UNCERTAIN : 0) : BAD;
        if (isState(column.kind)) {
          const value = this.number(column.last?.[i]), isText = column.kind === "text";
          this.put(at, value, isText ? value : this.number(column.min?.[i]), isText ? value : this.number(column.max?.[i]), quality);
          continue;
        }
        const of = (one: (number | null)[] | undefined): number => convert(this.number(one?.[i]));
        this.put(at + stepMs / 2, of(column.mean), of(column.min), of(column.max), quality);
      }
    }
    for (const [at, value, quality] of tail) this.add(at, value, quality);
    this.measure(stepMs);
  }

  /** Take readings as they come. */
  append(tsNs: readonly number[], values: readonly unknown[], qualities: readonly number[], convert: (value: number) => number): void {
    this.room(tsNs.length);
    for (let i = 0; i < tsNs.length; i++) this.add((tsNs[i] ?? 0) / 1e6, convert(this.number(values[i])), qualities[i] ?? 0);
    if (this.gapMs === Infinity) this.measure(0);
  }

  /** Let go of what is older. */
  trim(beforeMs: number): void {
    const from = this.find(beforeMs);
    if (from < 1024 || from < this.length / 4) return;
    for (const column of [this.ts, this.value, this.low, this.high]) column.copyWithin(0, from, this.length);
    this.quality.copyWithin(0, from, this.length);
    this.length -= from;
  }

  /** The first place at or after a time. */
  find(atMs: number): number {
    let low = 0, high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.ts[middle] ?? 0) < atMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The point that stands for a time; -1 when that is in a gap. */
  at(atMs: number): number {
    const after = this.find(atMs), before = after - 1;
    const a = before >= 0 ? atMs - (this.ts[before] ?? 0) : Infinity, b = after < this.length ? (this.ts[after] ?? 0) - atMs : Infinity;
    const near = a <= b ? before : after;
    return Math.min(a, b) <= Math.max(1000, Math.min(this.gapMs, 1e12)) ? near : -1;
  }

  private add(at: number, value: number, quality: number): void {
    const last = this.length - 1;
    if (last < 0 || at > (this.ts[last] ?? 0)) {
      this.room(1);
      this.put(at, value, value, value, quality);
      return;
    }
    const place = this.find(at); // late: its place is further back
    if (this.ts[place] !== at) {
      this.room(1);
      for (const column of [this.ts, this.value, this.low, this.high]) column.copyWithin(place + 1, place, this.length);
      this.quality.copyWithin(place + 1, place, this.length);
      this.length += 1;
    }
    this.ts[place] = at;
    this.value[place] = this.low[place] = this.high[place] = value;
    this.quality[place] = quality & 3;
    this.version += 1;
  }

  private put(at: number, value: number, low: number, high: number, quality: number): void {
    const i = this.length++;
    this.ts[i] = at;
    this.value[i] = value;
    this.low[i] = Math.min(low, high);
    this.high[i] = Math.max(low, high);
    this.quality[i] = quality & 3;
    this.version += 1;
  }

  private copyAfter(afterMs: number): [number, number, number][] {
    const found: [number, number, number][] = [];
    for (let i = this.find(afterMs); i < this.length; i++) found.push([this.ts[i] ?? 0, this.value[i] ?? NaN, this.quality[i] ?? 0]);
    return found;
  }

  private room(more: number): void {
    if (this.length + more <= this.ts.length) return;
    const size = Math.max(this.length + more, 2 * this.ts.length);
    const grown = (old: Float64Array): Float64Array<ArrayBuffer> => {
      const column = new Float64Array(size);
      column.set(old.subarray(0, this.length));
      return column;
    };
    this.ts = grown(this.ts);
    this.value = grown(this.value);
    this.low = grown(this.low);
    this.high = grown(this.high);
    const quality = new Uint8Array(size);
    quality.set(this.quality.subarray(0, this.length));
    this.quality = quality;
  }

  /** How far apart points usually are; three times that is a gap. */
  private measure(stepMs: number): void {
    if (this.length < 4) return;
    const first = Math.max(1, this.length - 400);
    const apart = Array.from({ length: this.length - first }, (_, i) => (this.ts[first + i] ?? 0) - (this.ts[first + i - 1] ?? 0));
    apart.sort((a, b) => a - b);
    this.gapMs = Math.max(3 * (apart[apart.length >> 1] ?? 0), 1.5 * stepMs, 2000);
  }
}

/** A series on a chart: what it is, and its points now and in the time it's compared with. */
export interface Drawn {
  name: string;
  node: string;
  device: string;
  metric: string;
  unit: string;
  kind: string;
  /** 1 to 8, as in tokens.css; the next eight are dashed (1), those after them dashed and dotted (2). */
  colour: number;
  dash: number;
  isHidden: boolean;
  now: Trace;
  before: Trace | null;
}

/** A point's value as people read it, without its unit. */
export function spokenOf(one: Drawn, trace: Trace, place: number, figure: (value: number) => string): string {
  const value = trace.value[place] ?? NaN;
  if (Number.isNaN(value)) return "—";
  if (one.kind === "text") return trace.words[value] ?? "—";
  return one.kind === "bool" ? (value ? "on" : "off") : figure(value);
}

/** Points in a time as CSV: time, series, value, min, max, quality. */
export function csv(drawn: readonly Drawn[], from: number, to: number): string {
  const lines = ["time,series,unit,value,min,max,quality"];
  const cell = (text: string): string => {
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text; // a spreadsheet must not take it for a formula
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const figure = (value: number | undefined): string => (value === undefined || Number.isNaN(value) ? "" : String(value));
  for (const { name, unit, kind, now } of drawn) {
    const isText = kind === "text";
    for (let i = now.find(from); i < now.length && (now.ts[i] ?? 0) <= to; i++) {
      const quality = ["good", "uncertain", "bad"][now.quality[i] ?? 0] ?? "";
      const when = new Date(now.ts[i] ?? 0).toISOString();
      lines.push([when, cell(name), cell(unit), isText ? cell(now.words[now.value[i] ?? 0] ?? "") : figure(now.value[i]), isText ? "" : figure(now.low[i]), isText ? "" : figure(now.high[i]), quality].join(","));
    }
  }
  return `${lines.join("\n")}\n`;
}
