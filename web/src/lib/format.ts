// Numbers as people read them.
import { converter, unit } from "~/lib/units";

export type Value = number | string | boolean | null | undefined;

export const whole = (n: number): string => Math.round(n).toLocaleString("en");

/** 1,234 · 123 k · 1.23 M */
export function short(n: number): string {
  const size = Math.abs(n);
  if (size >= 1e9) return `${(n / 1e9).toFixed(2)} G`;
  if (size >= 1e6) return `${(n / 1e6).toFixed(2)} M`;
  return size >= 1e5 ? `${(n / 1e3).toFixed(0)} k` : whole(n);
}

/** 12 B · 3 kB · 4.5 MB */
export function bytes(n: number): string {
  if (n >= 1e9) return `${(n / 1e9).toFixed(2)} GB`;
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)} MB`;
  return n >= 1e3 ? `${(n / 1e3).toFixed(0)} kB` : `${Math.round(n)} B`;
}

/** 0 · 0.4 · 12 · 1,234 */
export const rate = (n: number): string => (Number.isNaN(n) ? "…" : n >= 10 || n === 0 ? short(n) : n.toFixed(1));

export const percent = (part: number): string => {
  const p = part * 100;
  return `${p === 0 || p >= 10 ? Math.round(p) : p.toFixed(p < 1 ? 2 : 1)} %`;
};

/** A bare number with five digits that count. */
export function figure(n: number): string {
  if (!Number.isFinite(n)) return String(n);
  if (Number.isInteger(n)) return n.toLocaleString("en");
  const size = Math.abs(n);
  return size >= 1e6 || size < 1e-3 ? n.toPrecision(4) : Number(n.toPrecision(5)).toLocaleString("en", { maximumFractionDigits: 4 });
}

/** A reading's value without its unit, in the viewer's unit. */
export function spoken(value: Value, unitName = ""): string {
  if (value === null || value === undefined) return "—";
  if (typeof value === "boolean") return value ? "on" : "off";
  return typeof value === "number" ? figure(converter(unitName)(value)) : value;
}

/** A reading's value with its unit. */
export function valued(value: Value, unitName: string): string {
  const sign = typeof value === "number" ? unit(unitName) : "";
  return sign ? `${spoken(value, unitName)} ${sign}` : spoken(value, unitName);
}
