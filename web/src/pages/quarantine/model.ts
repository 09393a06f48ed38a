// Refused messages as the API tells them.

/** One of GET /api/v1/quarantine. payload: base64. */
export interface Refused {
  id: number;
  received_ns: number;
  source: string;
  topic: string;
  reason: string;
  detail: string;
  payload: string;
}

export interface WouldRead {
  series: string;
  unit: string;
  ts: number;
  value: number | boolean | string | null;
  quality: string;
  why: string;
}

export interface Detail {
  message: Refused;
  verdict: { decodes: boolean; readings: WouldRead[]; reason: string; detail: string };
}

/** Counts of messages; readings: of rows. */
export interface Replayed {
  dry_run: boolean;
  replayed: number;
  readings: number;
  repeats: number;
  still_rejected: Record<string, number>;
  dropped: number;
}

export const REASONS = [
  "malformed", "wrong_type", "missing_field", "not_a_number", "too_large", "too_deep", "stale", "no_profile",
  "unknown_device", "script", "no_birth", "unsupported", "new_device", "retired",
] as const;

export const words = (reason: string): string => reason.replaceAll("_", " ");

/** Bytes of the payload, without decoding it. */
export function lengthOf(one: Refused): number {
  const padding = one.payload.endsWith("==") ? 2 : one.payload.endsWith("=") ? 1 : 0;
  return Math.max(0, (one.payload.length / 4) * 3 - padding);
}

export function bytesOf(one: Refused): Uint8Array {
  return Uint8Array.from(atob(one.payload), (character) => character.charCodeAt(0));
}

/** The payload as text; null when it is none. */
export function textOf(data: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    return null;
  }
}

/** Indented, where it's JSON. */
export function jsonOf(text: string | null): string | null {
  if (text === null) return null;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

const ROW = 16;

/** Rows of 16 bytes with what is printable beside them. */
export function hexOf(data: Uint8Array, most: number): string {
  const rows: string[] = [];
  for (let at = 0; at < Math.min(data.length, most); at += ROW) {
    const piece = [...data.slice(at, at + ROW)];
    const hex = piece.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const beside = piece.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    rows.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(3 * ROW - 1)}  ${beside}`);
  }
  return rows.join("\n");
}
